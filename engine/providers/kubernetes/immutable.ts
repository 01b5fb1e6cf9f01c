/**
 * Which fields of which kinds cannot be changed on a live object, so that a change means a new object.
 * Upstream analogue and source of the table: provider/pkg/provider/diff.go of pulumi-kubernetes (forceNewProperties).
 */
import { at, textAt } from "./object.ts";

interface Mutability {
  enableSecretMutable: boolean;
  enableConfigMapMutable: boolean;
}

const CONTAINER = [
  ...[
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
  ],
  ...[
    "resources",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
  ],
  ...["tty", "volumeDevices", "volumeMounts", "workingDir"],
];

const POD = [
  ...[
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
  ],
  ...[
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
  ],
  ...[
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "runtimeClassName",
  ],
  ...["schedulerName", "securityContext", "serviceAccount", "serviceAccountName", "shareProcessNamespace"],
  ...["subdomain", "terminationGracePeriodSeconds", "volumes"],
];

const VOLUME_SOURCES = [
  ...[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
  ],
  ...["gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk"],
  ...["portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume"],
];

const inSpec = (fields: string[]): string[] => fields.map((field) => `spec.${field}`);

/** By API group (empty for core) and kind. */
const FIELDS: Record<string, Record<string, string[]>> = {
  "": {
    PersistentVolume: inSpec(VOLUME_SOURCES),
    PersistentVolumeClaim: inSpec(["accessModes", "selector", "storageClassName", "volumeName"]),
    Pod: [
      ...inSpec(POD),
      ...CONTAINER.flatMap((field) => [`spec.containers[*].${field}`, `spec.initContainers[*].${field}`]),
    ],
    ResourceQuota: ["spec.scopes"],
    Service: ["spec.clusterIP"],
  },
  apps: {
    DaemonSet: ["spec.selector"],
    Deployment: ["spec.selector"],
    StatefulSet: inSpec([
      ...["podManagementPolicy", "revisionHistoryLimit", "selector", "serviceName", "volumeClaimTemplates"],
    ]),
  },
  batch: { Job: inSpec(["completions", "parallelism", "selector", "template"]) },
  "rbac.authorization.k8s.io": { ClusterRoleBinding: ["roleRef"], RoleBinding: ["roleRef"] },
  "storage.k8s.io": { StorageClass: ["parameters", "provisioner"] },
};

/** The paths of an object's inputs whose change needs a new object. */
export function replacingFields(object: unknown, mutability: Mutability): string[] {
  const apiVersion = textAt(object, "apiVersion");
  const kind = textAt(object, "kind");
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  const identity = ["kind", "metadata.name", "metadata.namespace"];
  const frozen = at(object, "immutable") === true;
  if (group === "" && kind === "Secret") {
    const whole = frozen || !mutability.enableSecretMutable;
    return [...identity, "type", ...(whole ? ["data", "stringData"] : [])];
  }
  if (group === "" && kind === "ConfigMap") {
    return [...identity, ...(frozen || !mutability.enableConfigMapMutable ? ["data", "binaryData"] : [])];
  }
  return [...identity, ...(FIELDS[group]?.[kind] ?? [])];
}
