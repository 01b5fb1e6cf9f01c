package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	bootstrapconversion "sigs.k8s.io/cluster-api/bootstrap/kubeadm/webhooks/conversion"
	controlplaneconversion "sigs.k8s.io/cluster-api/controlplane/kubeadm/webhooks/conversion"
	coreconversion "sigs.k8s.io/cluster-api/core/webhooks/conversion"
	"sigs.k8s.io/controller-runtime/pkg/webhook/conversion"
)

// converters holds Cluster API's own conversion code by group and kind, built once.
var converters = sync.OnceValues(func() (map[schema.GroupKind]conversion.Converter, error) {
	// The real controllers learn the version from the contract label of the other kind's CRD.
	version := func(_ context.Context, kind schema.GroupKind) (string, error) { return referencedVersion(kind), nil }
	coreconversion.SetAPIVersionGetter(version)
	controlplaneconversion.SetAPIVersionGetter(version)

	build := map[string]func(*runtime.Scheme) (conversion.Converter, error){
		"Cluster.cluster.x-k8s.io":                                  coreconversion.Cluster,
		"ClusterClass.cluster.x-k8s.io":                             coreconversion.ClusterClass,
		"Machine.cluster.x-k8s.io":                                  coreconversion.Machine,
		"MachineSet.cluster.x-k8s.io":                               coreconversion.MachineSet,
		"MachineDeployment.cluster.x-k8s.io":                        coreconversion.MachineDeployment,
		"MachineHealthCheck.cluster.x-k8s.io":                       coreconversion.MachineHealthCheck,
		"MachinePool.cluster.x-k8s.io":                              coreconversion.MachinePool,
		"MachineDrainRule.cluster.x-k8s.io":                         coreconversion.MachineDrainRule,
		"KubeadmConfig.bootstrap.cluster.x-k8s.io":                  bootstrapconversion.KubeadmConfig,
		"KubeadmConfigTemplate.bootstrap.cluster.x-k8s.io":          bootstrapconversion.KubeadmConfigTemplate,
		"KubeadmControlPlane.controlplane.cluster.x-k8s.io":         controlplaneconversion.KubeadmControlPlane,
		"KubeadmControlPlaneTemplate.controlplane.cluster.x-k8s.io": controlplaneconversion.KubeadmControlPlaneTemplate,
	}
	all := make(map[schema.GroupKind]conversion.Converter, len(build))
	for kind, make := range build {
		converter, err := make(scheme)
		if err != nil {
			return nil, fmt.Errorf("converter for %s: %w", kind, err)
		}
		all[schema.ParseGroupKind(kind)] = converter
	}
	return all, nil
})

// referencedVersion says in which version a v1beta1 object names another object: Cluster API's kinds by their newest
// version, providers that follow the older contract (Cluster API Provider OpenStack 0.14) by v1beta1.
func referencedVersion(kind schema.GroupKind) string {
	version := "v1beta1"
	switch kind.Group {
	case "cluster.x-k8s.io", "bootstrap.cluster.x-k8s.io", "controlplane.cluster.x-k8s.io":
		version = "v1beta2"
	}
	return kind.Group + "/" + version
}

// Convert answers for the conversion webhooks of the custom resources in the release mirror: it returns object in the
// version desired ("group/version"). Cluster API's kinds go through Cluster API's own conversion code, so that a field
// that moved between v1beta1 and v1beta2 is found in both. Every other kind only gets its apiVersion rewritten, which
// is what strategy None does. The argument may be changed.
func Convert(object map[string]any, desired string) (map[string]any, error) {
	from, kind := fmt.Sprint(object["apiVersion"]), fmt.Sprint(object["kind"])
	if from == desired {
		return object, nil
	}
	group, _, _ := strings.Cut(desired, "/")
	all, err := converters()
	if err != nil {
		return nil, err
	}
	converter, known := all[schema.GroupKind{Group: group, Kind: kind}]
	if !known {
		object["apiVersion"] = desired
		return object, nil
	}
	source, err := scheme.New(schema.FromAPIVersionAndKind(from, kind))
	if err != nil {
		return nil, err
	}
	target, err := scheme.New(schema.FromAPIVersionAndKind(desired, kind))
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, source); err != nil {
		return nil, fmt.Errorf("%s %s: %w", from, kind, err)
	}
	target.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(desired, kind)) // the converter goes by it
	if err := converter.ConvertObject(context.Background(), source, target); err != nil {
		return nil, fmt.Errorf("%s %s to %s: %w", from, kind, desired, err)
	}
	target.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(desired, kind))
	if data, err = json.Marshal(target); err != nil {
		return nil, err
	}
	converted := map[string]any{}
	return converted, json.Unmarshal(data, &converted)
}
