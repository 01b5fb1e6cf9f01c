/**
 * Runs components or the whole program without engine or cloud, and records what each resource was registered with.
 *
 * The recorder stands where the engine would: it sees a registration after the SDK has worked out parent, provider,
 * dependencies and secrets, which neither mocks (no options) nor registerStackTransformation (options as written, not
 * as inherited) show. It proves what the program asks for, not that a cloud or an engine does it.
 */
import * as pulumi from "@pulumi/pulumi";

/** Secrets that the stand-ins make or tests plant: none may appear outside of a secret. */
export const PLANTED = {
  privateKey: "planted-private-key",
  token: "planted-token",
  kubeconfig: "planted-admin-credential",
  applicationCredential: "planted-application-credential",
  slack: "planted-slack-webhook",
} as const;

export interface Registration {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  readonly custom: boolean;
  /** Inputs as the engine gets them: a secret is a map with a signature, see unwrapped(). */
  readonly inputs: Record<string, unknown>;
  readonly parent: string;
  readonly provider: string;
  /** Names of the resources that it waits for, components with all they hold. */
  readonly dependsOn: readonly string[];
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace: boolean;
  readonly deletedWith: string;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
}

export interface Recording {
  readonly resources: Registration[];
  /** Outputs that components registered, by URN. */
  readonly outputs: Map<string, Record<string, unknown>>;
  /** Data sources that were asked, by token. */
  readonly invokes: string[];
  /** Waits until everything is registered. */
  settled(): Promise<void>;
  /** The resource of this name and type (its last word suffices). */
  get(name: string, type?: string): Registration;
}

type Outputs = Record<string, unknown>;

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

function commandOutputs(name: string): Outputs {
  if (name === "k3s-kubeconfig") return { stdout: kubeconfigFor("https://203.0.113.102:6443") };
  if (name === "cluster-kubeconfig") return { stdout: kubeconfigFor("https://203.0.113.103:6443") };
  return { stdout: `${name} done` };
}

/** What a real provider would add to the inputs, by type. A type that is not here is an error. */
const COMPUTED: Record<string, (inputs: Outputs, name: string) => Outputs> = {
  "pulumi:providers:openstack": () => ({}),
  "pulumi:providers:kubernetes": () => ({}),
  "openstack:compute/keypair:Keypair": (inputs) =>
    inputs["publicKey"] === undefined
      ? { privateKey: pulumi.secret(PLANTED.privateKey) }
      : { privateKey: "" },
  "openstack:compute/instance:Instance": () => ({}),
  "openstack:compute/volumeAttach:VolumeAttach": () => ({ device: "/dev/vdz" }),
  "openstack:blockstorage/volume:Volume": () => ({}),
  "openstack:containerinfra/clusterTemplate:ClusterTemplate": () => ({}),
  "openstack:images/image:Image": () => ({}),
  "openstack:networking/network:Network": () => ({}),
  "openstack:networking/subnet:Subnet": () => ({}),
  "openstack:networking/router:Router": () => ({
    externalFixedIps: [{ ipAddress: "203.0.113.101", subnetId: "s" }],
  }),
  "openstack:networking/routerInterface:RouterInterface": () => ({}),
  "openstack:networking/port:Port": (_inputs, name) => ({
    allFixedIps: [name.includes("provisioning") ? "10.9.9.9" : "192.168.100.5"],
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
  "kubernetes:core/v1:ServiceAccount": () => ({}),
  "kubernetes:core/v1:Secret": (inputs) =>
    inputs["type"] === "kubernetes.io/service-account-token"
      ? { data: { token: base64(PLANTED.token), "ca.crt": base64("CA") } }
      : {},
  "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding": () => ({}),
};

const INVOKES: Record<string, (inputs: Outputs) => Outputs> = {
  "openstack:networking/getNetwork:getNetwork": (inputs) => ({ id: inputs["networkId"], name: "external" }),
  "openstack:images/getImage:getImage": (inputs) => ({ id: `image-${String(inputs["name"])}` }),
};

/** What MockMonitor is asked with; the generated classes have no declared types. */
interface Request {
  getType(): string;
  getName(): string;
  getCustom(): boolean;
  getParent(): string;
  getProvider(): string;
  getDependenciesList(): string[];
  getProtect(): boolean;
  getRetainondelete(): boolean;
  getDeletebeforereplace(): boolean;
  getDeletedwith(): string;
  getIgnorechangesList(): string[];
  getReplaceonchangesList(): string[];
  getAdditionalsecretoutputsList(): string[];
  getObject(): { toJavaScript(): Record<string, unknown> } | undefined;
}

interface Monitor {
  registerResource(
    request: Request,
    callback: (error: unknown, response: { getUrn(): string }) => void,
  ): Promise<void>;
  registerResourceOutputs(
    request: { getUrn(): string; getOutputs(): { toJavaScript(): Record<string, unknown> } },
    callback: unknown,
  ): void;
}

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
  const resources: Registration[] = [];
  const outputs = new Map<string, Record<string, unknown>>();
  const invokes: string[] = [];
  pulumi.runtime.setAllConfig({ ...args.config });
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs, custom }) {
        const known = inputs as Outputs;
        if (custom !== true) return { id: "", state: known };
        const computed = COMPUTED[type];
        if (computed === undefined) throw new Error(`the mocks know no resource type ${type} (${name})`);
        if (preview) return { id: "", state: known };
        return { id: `${name}-id`, state: { ...known, ...computed(known, name) } };
      },
      call({ token, inputs }) {
        const answer = INVOKES[token];
        if (answer === undefined) throw new Error(`the mocks know no data source ${token}`);
        invokes.push(token);
        return answer(inputs as Outputs);
      },
    },
    "capi-mgmt",
    args.stack ?? "test",
    preview,
  );
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) =>
    register(request, (error, response) => {
      if (error === null || error === undefined) resources.push(registration(request, response.getUrn()));
      callback(error, response);
    });
  const registerOutputs = monitor.registerResourceOutputs.bind(monitor);
  monitor.registerResourceOutputs = (request, callback) => {
    outputs.set(request.getUrn(), request.getOutputs().toJavaScript());
    registerOutputs(request, callback);
  };
  return {
    resources,
    outputs,
    invokes,
    async settled() {
      const { waitForRPCs } = pulumi.runtime as unknown as { waitForRPCs: () => Promise<void> };
      // Between two registrations there may be a moment without any.
      for (let before = -1; before !== resources.length;) {
        before = resources.length;
        await waitForRPCs();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    get(name, type = "") {
      const found = resources.filter((resource) => resource.name === name && resource.type.endsWith(type));
      const [one] = found;
      if (one === undefined || found.length > 1) {
        throw new Error(
          `${found.length} resources ${name} ${type}; there are ${resources.map((r) => r.name).join(", ")}`,
        );
      }
      return one;
    },
  };
}

function registration(request: Request, urn: string): Registration {
  return {
    type: request.getType(),
    name: request.getName(),
    urn,
    custom: request.getCustom(),
    inputs: request.getObject()?.toJavaScript() ?? {},
    parent: lastName(request.getParent()),
    provider: lastName(request.getProvider().replace(/::[^:]*$/, "")),
    dependsOn: [...new Set(request.getDependenciesList().map(lastName))].sort(),
    protect: request.getProtect(),
    retainOnDelete: request.getRetainondelete(),
    deleteBeforeReplace: request.getDeletebeforereplace(),
    deletedWith: lastName(request.getDeletedwith()),
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
  };
}

/** Name of a resource in its URN. */
export function lastName(urn: string): string {
  return urn.split("::").at(-1) ?? "";
}

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Whether a value as the engine gets it is a secret. */
export function isSecret(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && (value as Record<string, unknown>)[SIGNATURE] === SECRET
  );
}

/** Whether a value as the engine gets it is, or hides, something unknown. */
export function isUnknown(value: unknown): boolean {
  return value === UNKNOWN || (isSecret(value) && isUnknown((value as { value: unknown }).value));
}

/** A value for people: secrets and unknowns by name. */
export function readable(value: unknown): unknown {
  if (isSecret(value)) return "[secret]";
  if (value === UNKNOWN) return "[unknown]";
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, readable(child)]));
  }
  return value;
}

/** The value inside of a secret, or the value itself. */
export function unwrapped(value: unknown): unknown {
  return isSecret(value) ? (value as { value: unknown }).value : value;
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
