/**
 * Which kinds of Kubernetes itself live outside namespaces, so that a default namespace can be filled in without a
 * cluster at hand. Upstream analogue: kinds.Namespaced of pulumi-kubernetes (`kubectl api-resources --namespaced=false`).
 */
import { isBuiltin } from "./tokens.ts";
import type { Kind } from "./object.ts";

const CLUSTER_WIDE = new Set([
  "APIService",
  "CertificateSigningRequest",
  "ClusterRole",
  "ClusterRoleBinding",
  "ClusterTrustBundle",
  "ComponentStatus",
  "CSIDriver",
  "CSINode",
  "CustomResourceDefinition",
  "DeviceClass",
  "FlowSchema",
  "IngressClass",
  "IPAddress",
  "MutatingAdmissionPolicy",
  "MutatingAdmissionPolicyBinding",
  "MutatingWebhookConfiguration",
  "Namespace",
  "Node",
  "PersistentVolume",
  "PodSecurityPolicy",
  "PriorityClass",
  "PriorityLevelConfiguration",
  "ResourceSlice",
  "RuntimeClass",
  "SelfSubjectAccessReview",
  "SelfSubjectReview",
  "SelfSubjectRulesReview",
  "ServiceCIDR",
  "StorageClass",
  "StorageVersion",
  "StorageVersionMigration",
  "SubjectAccessReview",
  "TokenReview",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
  "ValidatingWebhookConfiguration",
  "VolumeAttachment",
  "VolumeAttributesClass",
]);

/** Whether objects of this kind have a namespace; undefined for kinds that only a cluster's discovery knows. */
export function isNamespaced(kind: Kind): boolean | undefined {
  return isBuiltin(kind.apiVersion) ? !CLUSTER_WIDE.has(kind.kind) : undefined;
}
