/**
 * Runs components or the whole program without engine or cloud, under the recorder of plan/, with stand-ins for what
 * providers answer and secrets planted in it. It proves what the program asks for, not that a cloud or an engine does it.
 */
import * as pulumi from "@pulumi/pulumi";
import { NAMESPACE } from "../../config/stackFile.ts";
import { type Recorder, type Registration, startRecorder, type Values } from "../../plan/recorder.ts";
import { nameOf, STACK_TYPE } from "../../plan/urn.ts";
import { isSecret } from "../../plan/values.ts";

export type { Registration } from "../../plan/recorder.ts";
export { isSecret, isUnknown, readable, unwrapped } from "../../plan/values.ts";

/** Secrets that the stand-ins make or tests plant: none may appear outside of a secret. */
export const PLANTED = {
  privateKey: "planted-private-key",
  token: "planted-token",
  kubeconfig: "planted-admin-credential",
  applicationCredential: "planted-application-credential",
  slack: "planted-slack-webhook",
} as const;

/** What was recorded, the stack apart; resources refer to each other by name. */
export interface Recording extends Recorder {
  /** Outputs of the stack, when the whole program has run. */
  readonly stackOutputs: Values;
  /** The resource of this name and type (its last word suffices). */
  get(name: string, type?: string): Registration;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A kubeconfig as k3s and Cluster API print it. */
export function kubeconfigFor(server: string): string {
  return [
    "apiVersion: v1",
    "kind: Config",
    `clusters: [{name: c, cluster: {server: "${server}", certificate-authority-data: ${base64("CA")}}}]`,
    `users: [{name: u, user: {client-key-data: ${base64(PLANTED.kubeconfig)}, token: ${PLANTED.kubeconfig}}}]`,
    "contexts: [{name: k, context: {cluster: c, user: u}}]",
    "current-context: k",
    "",
  ].join("\n");
}

function commandOutputs(name: string): Values {
  if (name === "k3s-kubeconfig") return { stdout: kubeconfigFor("https://203.0.113.102:6443") };
  if (name === "cluster-kubeconfig") return { stdout: kubeconfigFor("https://203.0.113.103:6443") };
  return { stdout: `${name} done` };
}

/** What a real provider would add to the inputs, by type. A type that is not here is an error. */
const COMPUTED: Record<string, (inputs: Values, name: string) => Values> = {
  "pulumi:providers:openstack": () => ({}),
  "pulumi:providers:kubernetes": () => ({}),
  "openstack:compute/keypair:Keypair": (inputs) =>
    inputs["publicKey"] === undefined
      ? { privateKey: pulumi.secret(PLANTED.privateKey) }
      : { privateKey: "" },
  "openstack:compute/instance:Instance": () => ({}),
  "openstack:compute/serverGroup:ServerGroup": () => ({}),
  "openstack:compute/volumeAttach:VolumeAttach": () => ({ device: "/dev/vdz" }),
  "openstack:blockstorage/volume:Volume": () => ({}),
  "openstack:containerinfra/clusterTemplate:ClusterTemplate": () => ({}),
  "openstack:images/image:Image": () => ({}),
  "openstack:networking/network:Network": () => ({}),
  "openstack:networking/subnet:Subnet": () => ({}),
  "openstack:networking/router:Router": () => ({
    // One of each family, as on a dual-stack external network, and two subnets of IPv4.
    externalFixedIps: [
      { ipAddress: "2001:db8::101", subnetId: "s6" },
      { ipAddress: "203.0.113.101", subnetId: "s" },
      { ipAddress: "198.51.100.101", subnetId: "t" },
    ],
  }),
  "openstack:networking/routerInterface:RouterInterface": () => ({}),
  "openstack:networking/port:Port": (_inputs, name) => ({
    allFixedIps: ["2001:db8::5", name.includes("provisioning") ? "10.9.9.9" : "192.168.100.5"],
  }),
  "openstack:networking/floatingIp:FloatingIp": (_inputs, name) => ({
    address: name.startsWith("cluster") ? "203.0.113.103" : "203.0.113.102",
  }),
  "openstack:networking/floatingIpAssociate:FloatingIpAssociate": () => ({}),
  "openstack:networking/secGroup:SecGroup": () => ({ tenantId: "project-id" }),
  "openstack:networking/secGroupRule:SecGroupRule": () => ({}),
  "command:remote:Command": (_inputs, name) => commandOutputs(name),
  "command:local:Command": () => ({ stdout: "/home/runner/.cache/capi-mgmt/images/image" }),
  "kubernetes:helm.sh/v3:Release": (inputs) => ({ status: { name: inputs["name"], revision: 1 } }),
  "kubernetes:core/v1:Namespace": () => ({}),
  "kubernetes:core/v1:ConfigMap": () => ({}),
  // A kind that a site adds by extras.
  "kubernetes:example.org/v1:Widget": () => ({}),
  "kubernetes:core/v1:ServiceAccount": () => ({}),
  "kubernetes:core/v1:Secret": (inputs) =>
    inputs["type"] === "kubernetes.io/service-account-token"
      ? { data: { token: base64(PLANTED.token), "ca.crt": base64("CA") } }
      : {},
  "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding": () => ({}),
};

const INVOKES: Record<string, (inputs: Values) => Values> = {
  "openstack:networking/getNetwork:getNetwork": (inputs) => ({ id: inputs["networkId"], name: "external" }),
  "openstack:images/getImage:getImage": (inputs) => ({ id: `image-${String(inputs["name"])}` }),
};

export interface RecordArgs {
  readonly stack?: string;
  /** True: only inputs are known, as in a preview of something new. Default: false. */
  readonly preview?: boolean;
  /** Pulumi configuration by full key. Default: none. */
  readonly config?: Readonly<Record<string, string>>;
}

/** Starts recording; whatever is constructed afterwards is in the answer. One at a time in a process. */
export async function record(args: RecordArgs = {}): Promise<Recording> {
  const preview = args.preview ?? false;
  const recorder = await startRecorder({
    project: NAMESPACE,
    stack: args.stack ?? "test",
    preview,
    config: args.config ?? {},
    answers: {
      resource(type, name, inputs) {
        const computed = COMPUTED[type];
        if (computed === undefined) throw new Error(`the mocks know no resource type ${type} (${name})`);
        return preview ? undefined : { id: `${name}-id`, outputs: computed(inputs, name) };
      },
      invoke(token, inputs) {
        const answer = INVOKES[token];
        if (answer === undefined) throw new Error(`the mocks know no data source ${token}`);
        return answer(inputs);
      },
    },
  });
  const resources = () => recorder.resources.filter(({ type }) => type !== STACK_TYPE).map(byName);
  return {
    get resources() {
      return resources();
    },
    outputs: recorder.outputs,
    get stackOutputs() {
      const stack = recorder.resources.find(({ type }) => type === STACK_TYPE);
      return recorder.outputs.get(stack?.urn ?? "") ?? {};
    },
    invokes: recorder.invokes,
    settled: () => recorder.settled(),
    get(name, type = "") {
      const found = resources().filter((resource) => resource.name === name && resource.type.endsWith(type));
      const [one] = found;
      if (one === undefined || found.length > 1) {
        const names = resources().map((resource) => resource.name);
        throw new Error(`${found.length} resources ${name} ${type}; there are ${names.join(", ")}`);
      }
      return one;
    },
  };
}

function byName(registration: Registration): Registration {
  const { parent, provider, dependsOn, deletedWith } = registration;
  return {
    ...registration,
    parent: parent.includes(`::${STACK_TYPE}::`) ? "" : nameOf(parent),
    provider: nameOf(provider),
    dependsOn: [...new Set(dependsOn.map(nameOf))].sort(),
    deletedWith: nameOf(deletedWith),
  };
}

/** Paths below which a planted secret is in plain text. */
export function leaks(value: unknown, path = ""): string[] {
  if (isSecret(value)) return [];
  if (typeof value === "string") {
    const decoded = Buffer.from(value, "base64").toString("utf8");
    return Object.values(PLANTED).some((secret) => value.includes(secret) || decoded.includes(secret))
      ? [path]
      : [];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => leaks(child, `${path}.${key}`));
}

/** Names of all that a resource waits for, and so of all that goes after it. */
export function outlivedBy({ resources }: Recording, name: string): Set<string> {
  const found = new Set<string>();
  const follow = (current: string): void => {
    for (const resource of resources.filter((one) => one.name === current)) {
      for (const next of [...resource.dependsOn, resource.provider]) {
        if (next === "" || found.has(next)) continue;
        found.add(next);
        follow(next);
      }
    }
  };
  follow(name);
  return found;
}
