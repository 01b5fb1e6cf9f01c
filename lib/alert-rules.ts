/**
 * Our alert rules and the metrics behind them. Upstream analogue: the rules that azimuth-ops gives the HA cluster's
 * kube-prometheus-stack, which cover certificates only.
 */

const DAY_SECONDS = 24 * 60 * 60;

/** Prefix that kube-state-metrics gives metrics made from custom resources. */
const PREFIX = "kube_customresource_";

type Labels = Record<string, readonly string[]>;

const IDENTITY: Labels = { namespace: ["metadata", "namespace"], name: ["metadata", "name"] };
const CLUSTER_LABEL: Labels = { cluster_name: ["metadata", "labels", "cluster.x-k8s.io/cluster-name"] };

function resource(group: string, kind: string, labelsFromPath: Labels, metrics: readonly object[]) {
  // v1beta2 only: v1beta1 stops being served in Cluster API 1.16 (#11920).
  return { groupVersionKind: { group, version: "v1beta2", kind }, labelsFromPath, metrics };
}

/** One series for each condition that says True (1) or anything else (0). */
const CONDITION = {
  name: "capi_condition",
  help: "Whether a condition of a Cluster API object is True",
  each: {
    type: "Gauge",
    gauge: {
      path: ["status", "conditions"],
      labelsFromPath: { type: ["type"], reason: ["reason"] },
      valueFrom: ["status"],
    },
  },
};

/** Values of kube-state-metrics that turn Cluster API's objects into metrics. */
export function kubeStateMetricsValues(): object {
  return {
    rbac: {
      extraRules: [
        {
          apiGroups: ["cluster.x-k8s.io", "controlplane.cluster.x-k8s.io"],
          resources: ["clusters", "machines", "machinedeployments", "kubeadmcontrolplanes"],
          verbs: ["list", "watch"],
        },
        {
          apiGroups: ["apiextensions.k8s.io"],
          resources: ["customresourcedefinitions"],
          verbs: ["list", "watch"],
        },
      ],
    },
    customResourceState: {
      enabled: true,
      config: {
        kind: "CustomResourceStateMetrics",
        spec: {
          resources: [
            resource("cluster.x-k8s.io", "Cluster", IDENTITY, [CONDITION]),
            resource("cluster.x-k8s.io", "MachineDeployment", { ...IDENTITY, ...CLUSTER_LABEL }, [CONDITION]),
            resource(
              "controlplane.cluster.x-k8s.io",
              "KubeadmControlPlane",
              { ...IDENTITY, ...CLUSTER_LABEL },
              [CONDITION],
            ),
            resource("cluster.x-k8s.io", "Machine", { ...IDENTITY, ...CLUSTER_LABEL }, [
              CONDITION,
              {
                name: "capi_machine_certificate_expiry",
                help: "When the certificates of a control plane machine end, in seconds since 1970",
                each: { type: "Gauge", gauge: { path: ["status", "certificatesExpiryDate"] } },
              },
            ]),
          ],
        },
      },
    },
  };
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: "warning" | "critical" };
  readonly annotations: { readonly summary: string; readonly description: string };
}

/**
 * `capi_condition` of one kind and condition that is not True. Without the labels that change while it stays so: each
 * other reason, or another Pod of kube-state-metrics, would start the rule's `for` anew.
 */
function notTrue(kind: string, type: string): string {
  const condition = `${PREFIX}capi_condition{customresource_kind="${kind}",type="${type}"}`;
  return `max without (reason, instance, pod) (${condition}) == 0`;
}

function rule(
  alert: string,
  severity: "warning" | "critical",
  minutes: number,
  expr: string,
  summary: string,
  description: string,
): Rule {
  return { alert, expr, for: `${minutes}m`, labels: { severity }, annotations: { summary, description } };
}

/**
 * The rules, as kube-prometheus-stack's `additionalPrometheusRulesMap`.
 *
 * @param certificateExpiryDays warn when a certificate has fewer days left; critical at a third of it
 */
export function alertRules(certificateExpiryDays: number): Record<string, object> {
  const left = (days: number, metric: string) => `(${metric} - time()) < ${days * DAY_SECONDS}`;
  const machineCertificate = `${PREFIX}capi_machine_certificate_expiry`;
  const critical = Math.max(1, Math.round(certificateExpiryDays / 3));
  const machines: Rule[] = [
    rule(
      "CapiClusterNotAvailable",
      "critical",
      15,
      notTrue("Cluster", "Available"),
      "Cluster {{ $labels.namespace }}/{{ $labels.name }} is not available",
      "Cluster API's reason is among its conditions: kubectl describe cluster.",
    ),
    rule(
      "CapiControlPlaneNotAvailable",
      "critical",
      15,
      notTrue("KubeadmControlPlane", "Available"),
      "Control plane {{ $labels.namespace }}/{{ $labels.name }} is not available",
      "Cluster API's reason is among its conditions: kubectl describe kubeadmcontrolplane.",
    ),
    rule(
      "CapiWorkersNotAvailable",
      "warning",
      30,
      notTrue("MachineDeployment", "Available"),
      "Workers {{ $labels.namespace }}/{{ $labels.name }} are not available",
      "Fewer machines than the rollout strategy allows are ready: kubectl describe machinedeployment.",
    ),
    rule(
      "CapiMachineNotReady",
      "warning",
      45,
      notTrue("Machine", "Ready"),
      "Machine {{ $labels.namespace }}/{{ $labels.name }} is not ready",
      "It is longer in this state than a machine takes to start (30 minutes): kubectl describe machine.",
    ),
  ];
  const certificates: Rule[] = [
    rule(
      "CapiMachineCertificateExpires",
      "warning",
      15,
      left(certificateExpiryDays, machineCertificate),
      `Certificates of machine {{ $labels.name }} end in less than ${certificateExpiryDays} days`,
      "Roll the control plane: an upgrade does, or kubeadm certs renew on the machine. cluster.controlPlane.certificatesExpiryDays should have.",
    ),
    rule(
      "CapiMachineCertificateExpiresSoon",
      "critical",
      15,
      left(critical, machineCertificate),
      `Certificates of machine {{ $labels.name }} end in less than ${critical} days`,
      "The cluster's API stops answering when they end.",
    ),
    rule(
      "CertManagerCertificateExpires",
      "warning",
      60,
      left(7, "certmanager_certificate_expiration_timestamp_seconds"),
      "Certificate {{ $labels.exported_namespace }}/{{ $labels.name }} ends in less than 7 days",
      "cert-manager renews at two thirds of the lifetime, so the renewal fails. The webhooks of Cluster API use it.",
    ),
  ];
  return {
    "capi-mgmt": {
      groups: [
        { name: "capi-mgmt.machines", rules: machines },
        { name: "capi-mgmt.certificates", rules: certificates },
      ],
    },
  };
}
