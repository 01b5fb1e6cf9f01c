package controllers

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// workloadSpec is a workload that an addon's chart would make, named as upstream's.
type workloadSpec struct {
	kind      string // Deployment, DaemonSet, StatefulSet or CronJob
	namespace string // empty: the release's target namespace
	name      string
	image     string
	replicas  int32 // Deployments and StatefulSets; default 1
	schedule  string
}

// addonWorkloads says what each chart leaves behind, by the chart's name.
var addonWorkloads = map[string][]workloadSpec{
	"tigera-operator": {
		{kind: "Deployment", name: "tigera-operator", image: "quay.io/tigera/operator:v1.40.0"},
		{kind: "DaemonSet", namespace: "calico-system", name: "calico-node", image: "quay.io/calico/node:v3.31.5"},
		{kind: "Deployment", namespace: "calico-system", name: "calico-kube-controllers", image: "quay.io/calico/kube-controllers:v3.31.5"},
		{kind: "Deployment", namespace: "calico-system", name: "calico-typha", image: "quay.io/calico/typha:v3.31.5"},
	},
	"cilium": {
		{kind: "DaemonSet", name: "cilium", image: "quay.io/cilium/cilium:v1.18.0"},
		{kind: "Deployment", name: "cilium-operator", image: "quay.io/cilium/operator-generic:v1.18.0", replicas: 2},
	},
	"openstack-cloud-controller-manager": {
		{kind: "DaemonSet", name: "openstack-cloud-controller-manager", image: "registry.k8s.io/provider-os/openstack-cloud-controller-manager:v1.36.0"},
	},
	"openstack-cinder-csi": {
		{kind: "Deployment", name: "openstack-cinder-csi-controllerplugin", image: "registry.k8s.io/provider-os/cinder-csi-plugin:v1.35.0"},
		{kind: "DaemonSet", name: "openstack-cinder-csi-nodeplugin", image: "registry.k8s.io/provider-os/cinder-csi-plugin:v1.35.0"},
	},
	"metrics-server": {
		{kind: "Deployment", name: "metrics-server", image: "registry.k8s.io/metrics-server/metrics-server:v0.8.0"},
	},
	"node-problem-detector": {
		{kind: "DaemonSet", name: "node-problem-detector", image: "registry.k8s.io/node-problem-detector/node-problem-detector:v0.8.21"},
	},
	"etcd-defrag": {
		{kind: "CronJob", name: "etcd-defrag", image: "ghcr.io/azimuth-cloud/capi-helm-utils:latest", schedule: "0 0 * * *"},
	},
	"kube-prometheus-stack": {
		{kind: "Deployment", name: "kube-prometheus-stack-operator", image: "quay.io/prometheus-operator/prometheus-operator:v0.93.1"},
		{kind: "Deployment", name: "kube-prometheus-stack-grafana", image: "docker.io/grafana/grafana:13.0.0"},
		{kind: "Deployment", name: "kube-prometheus-stack-kube-state-metrics", image: "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.18.0"},
		{kind: "DaemonSet", name: "kube-prometheus-stack-prometheus-node-exporter", image: "quay.io/prometheus/node-exporter:v1.10.2"},
	},
	"loki": {{kind: "StatefulSet", name: "loki-stack", image: "docker.io/grafana/loki:3.6.0"}},
}

// workloadsOf falls back to one Deployment named after the release for a chart that is not known here.
func workloadsOf(chart, release string) []workloadSpec {
	if known, ok := addonWorkloads[chart]; ok {
		return known
	}
	return []workloadSpec{{kind: "Deployment", name: release, image: "addon.invalid/" + chart}}
}

// object builds the workload; labels are added to it, not to its pods.
func (w workloadSpec) object(labels map[string]string) client.Object {
	selector := map[string]string{"app.kubernetes.io/name": w.name}
	meta := metav1.ObjectMeta{Namespace: w.namespace, Name: w.name, Labels: merged(labels, selector)}
	replicas := max(w.replicas, 1)
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: selector},
		Spec: corev1.PodSpec{
			Containers:  []corev1.Container{{Name: "main", Image: w.image}},
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		},
	}
	match := &metav1.LabelSelector{MatchLabels: selector}
	switch w.kind {
	case "DaemonSet":
		return &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: match, Template: pod}}
	case "StatefulSet":
		return &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Selector: match, Template: pod, Replicas: &replicas, ServiceName: w.name}}
	case "CronJob":
		pod.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
		return &batchv1.CronJob{ObjectMeta: meta, Spec: batchv1.CronJobSpec{Schedule: w.schedule, JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: pod}}}}
	default:
		return &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: match, Template: pod, Replicas: &replicas}}
	}
}

// workloadProblem says what a workload still lacks, or nothing.
func workloadProblem(o client.Object) string {
	have, wanted := int32(0), int32(0)
	switch w := o.(type) {
	case *appsv1.Deployment:
		have, wanted = w.Status.AvailableReplicas, *w.Spec.Replicas
		if w.Status.ObservedGeneration < w.Generation {
			return "Deployment " + w.Name + " not observed yet"
		}
	case *appsv1.StatefulSet:
		have, wanted = w.Status.ReadyReplicas, *w.Spec.Replicas
	case *appsv1.DaemonSet:
		have, wanted = w.Status.NumberReady, w.Status.DesiredNumberScheduled
		if w.Status.ObservedGeneration < w.Generation {
			return "DaemonSet " + w.Name + " not observed yet"
		}
	default:
		return ""
	}
	if have < wanted {
		return fmt.Sprintf("%s: %d of %d ready", o.GetName(), have, wanted)
	}
	return ""
}
