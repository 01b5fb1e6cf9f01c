package main

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestWhatUsesAChangedSecretIsRestarted(t *testing.T) {
	mounts := func(secret string) corev1.PodTemplateSpec {
		source := corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}
		return corev1.PodTemplateSpec{Spec: corev1.PodSpec{Volumes: []corev1.Volume{{Name: "v", VolumeSource: source}}}}
	}
	variables := func(secret string) corev1.PodTemplateSpec {
		source := corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}}
		return corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", EnvFrom: []corev1.EnvFromSource{source}}}}}
	}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "ns", Name: name} }
	client := fake.NewClientBuilder().WithObjects(
		&appsv1.DaemonSet{ObjectMeta: meta("manager"), Spec: appsv1.DaemonSetSpec{Template: variables("cloud-config")}},
		&appsv1.Deployment{ObjectMeta: meta("driver"), Spec: appsv1.DeploymentSpec{Template: mounts("cloud-config")}},
		&appsv1.Deployment{ObjectMeta: meta("other"), Spec: appsv1.DeploymentSpec{Template: mounts("another")}},
	).Build()
	ctx := context.Background()
	secret := func(content, label string) *corev1.Secret {
		made := &corev1.Secret{ObjectMeta: meta("cloud-config"), Data: map[string][]byte{"cloud.conf": []byte(content)}}
		made.Labels = map[string]string{"label": label}
		return made
	}
	marks := func() map[string]string {
		out := map[string]string{}
		for _, name := range []string{"driver", "other"} {
			item := &appsv1.Deployment{}
			if err := client.Get(ctx, types.NamespacedName{Namespace: "ns", Name: name}, item); err != nil {
				t.Fatal(err)
			}
			out[name] = item.Spec.Template.Annotations[annotation]
		}
		item := &appsv1.DaemonSet{}
		if err := client.Get(ctx, types.NamespacedName{Namespace: "ns", Name: "manager"}, item); err != nil {
			t.Fatal(err)
		}
		out["manager"] = item.Spec.Template.Annotations[annotation]
		return out
	}
	if err := changed(ctx, client, secret("a", "x"), secret("a", "y")); err != nil || marks()["driver"] != "" {
		t.Error("a label is no content", err, marks())
	}
	if err := changed(ctx, client, secret("a", "x"), secret("b", "x")); err != nil {
		t.Fatal(err)
	}
	if got := marks(); got["driver"] == "" || got["manager"] != got["driver"] || got["other"] != "" {
		t.Error(got)
	}
}
