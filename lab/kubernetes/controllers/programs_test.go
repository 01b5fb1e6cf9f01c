package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestEachManagersImageHasItsProgram(t *testing.T) {
	for image, name := range map[string]string{
		"registry.k8s.io/cluster-api/cluster-api-controller:v1.14.2":               "capi-controller",
		"mirror.site:5000/k8s/cluster-api/kubeadm-bootstrap-controller:v1.14.2":    "capi-kubeadm-bootstrap",
		"registry.k8s.io/cluster-api/kubeadm-control-plane-controller@sha256:0123": "capi-kubeadm-control-plane",
		"registry.k8s.io/capi-openstack/capi-openstack-controller:v0.14.7":         "capo",
		"quay.io/orc/openstack-resource-controller:v2.6.0":                         "orc",
		"ghcr.io/azimuth-cloud/cluster-api-addon-provider:0.13.1":                  "addon-provider",
		"ghcr.io/azimuth-cloud/cluster-api-janitor-openstack:0.15.0":               "janitor",
		"quay.io/jetstack/cert-manager-controller:v1.21.2":                         "",
		"registry.k8s.io/provider-os/openstack-cloud-controller-manager:v1.36.0":   "",
		"registry.k8s.io/autoscaling/not-cluster-api-controller:v1":                "",
	} {
		got := ""
		for _, p := range Programs() {
			if p.Match(nil, corev1.Container{Image: image}) {
				got += p.(controllerProgram).name
			}
		}
		if got != name {
			t.Errorf("%s: %q, not %q", image, got, name)
		}
	}
}
