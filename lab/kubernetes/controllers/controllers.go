// Package controllers acts for the controllers of Cluster API, its OpenStack provider and the addon provider. It works
// through the objects only: what it learns is in them, what it did is in them and in OpenStack.
// Upstream analogue: the manager binaries of those projects.
package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	serverv1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1alpha1"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"capi-mgmt/lab/kubernetes/program"
)

// Programs lists the controllers that the node loop runs in place of containers, one for each upstream manager. Each
// does its part only: where one's Deployment is missing, its step never happens.
func Programs() []program.Program {
	return []program.Program{
		controllerProgram{name: "capi-controller", images: []string{"cluster-api-controller"}, setup: setupCore},
		controllerProgram{name: "capi-kubeadm-bootstrap", images: []string{"kubeadm-bootstrap-controller"}, setup: setupBootstrap},
		controllerProgram{name: "capi-kubeadm-control-plane", images: []string{"kubeadm-control-plane-controller"}, setup: setupControlPlane},
		controllerProgram{name: "capo", images: []string{"capi-openstack-controller"}, setup: setupOpenStack},
		controllerProgram{name: "orc", images: []string{"openstack-resource-controller"}, setup: setupNothing},
		controllerProgram{name: "addon-provider", images: []string{"cluster-api-addon-provider"}, setup: setupAddons},
		controllerProgram{name: "janitor", images: []string{"cluster-api-janitor-openstack"}, setup: setupJanitor},
	}
}

func setupCore(_ context.Context, m manager.Manager, b *base) error {
	clusterObject := infrastructureObject("OpenStackCluster")
	machineObject := infrastructureObject("OpenStackMachine")
	deployments := b.listKeys(func() client.ObjectList { return &clusterv1.MachineDeploymentList{} })
	sets := b.listKeys(func() client.ObjectList { return &clusterv1.MachineSetList{} })
	machines := b.listKeys(func() client.ObjectList { return &clusterv1.MachineList{} })
	checks := b.listKeys(func() client.ObjectList { return &clusterv1.MachineHealthCheckList{} })
	for _, add := range []func() error{
		func() error {
			return b.add(m, "cluster", &clusterv1.Cluster{}, 2, clusterController{b}.reconcile,
				watch{clusterObject, ownerKey("Cluster")}, watch{&controlplanev1.KubeadmControlPlane{}, ownerKey("Cluster")},
				watch{&clusterv1.MachineDeployment{}, clusterKey}, watch{&clusterv1.Machine{}, clusterKey})
		},
		func() error {
			return b.add(m, "machinedeployment", &clusterv1.MachineDeployment{}, 2, machineDeploymentController{b}.reconcile,
				watch{&clusterv1.MachineSet{}, ownerKey("MachineDeployment")}, watch{&clusterv1.Machine{}, deploymentKey}, watch{&clusterv1.Cluster{}, deployments})
		},
		func() error {
			return b.add(m, "machineset", &clusterv1.MachineSet{}, 2, machineSetController{b}.reconcile,
				watch{&clusterv1.Machine{}, ownerKey("MachineSet")}, watch{&clusterv1.Cluster{}, sets})
		},
		func() error {
			return b.add(m, "machine", &clusterv1.Machine{}, 6, machineController{b}.reconcile,
				watch{machineObject, ownerKey("Machine")}, watch{&bootstrapv1.KubeadmConfig{}, ownerKey("Machine")}, watch{&clusterv1.Cluster{}, machines})
		},
		func() error {
			return b.add(m, "machinehealthcheck", &clusterv1.MachineHealthCheck{}, 1, healthCheckController{b}.reconcile,
				watch{&clusterv1.Machine{}, checks})
		},
	} {
		if err := add(); err != nil {
			return err
		}
	}
	return nil
}

// infrastructureObject is a kind of a provider, which the core controllers know by its contract only.
func infrastructureObject(kind string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.GroupVersionKind{Group: infrav1.SchemeGroupVersion.Group, Version: infrav1.SchemeGroupVersion.Version, Kind: kind})
	return o
}

func deploymentKey(_ context.Context, o client.Object) []reconcile.Request {
	if name := o.GetLabels()[clusterv1.MachineDeploymentNameLabel]; name != "" {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
	}
	return nil
}

func setupBootstrap(_ context.Context, m manager.Manager, b *base) error {
	configs := b.listKeys(func() client.ObjectList { return &bootstrapv1.KubeadmConfigList{} })
	return b.add(m, "kubeadmconfig", &bootstrapv1.KubeadmConfig{}, 4, bootstrapController{b}.reconcile, watch{&clusterv1.Cluster{}, configs})
}

func setupControlPlane(_ context.Context, m manager.Manager, b *base) error {
	all := b.listKeys(func() client.ObjectList { return &controlplanev1.KubeadmControlPlaneList{} })
	return b.add(m, "kubeadmcontrolplane", &controlplanev1.KubeadmControlPlane{}, 2, controlPlaneController{b}.reconcile,
		watch{&clusterv1.Machine{}, ownerKey("KubeadmControlPlane")}, watch{&clusterv1.Cluster{}, all})
}

func setupOpenStack(_ context.Context, m manager.Manager, b *base) error {
	clouds := newCloudCache()
	clusters := b.listKeys(func() client.ObjectList { return &infrav1.OpenStackClusterList{} })
	machines := b.listKeys(func() client.ObjectList { return &infrav1.OpenStackMachineList{} })
	if err := b.add(m, "openstackcluster", &infrav1.OpenStackCluster{}, 2, openStackClusterController{b, clouds}.reconcile,
		watch{&clusterv1.Cluster{}, clusters}); err != nil {
		return err
	}
	if err := b.add(m, "openstackmachine", &infrav1.OpenStackMachine{}, 6, openStackMachineController{b, clouds}.reconcile,
		watch{&clusterv1.Machine{}, sameName}, watch{&serverv1.OpenStackServer{}, sameName}, watch{&infrav1.OpenStackCluster{}, machines}); err != nil {
		return err
	}
	return b.add(m, "openstackserver", &serverv1.OpenStackServer{}, 6, openStackServerController{b, clouds}.reconcile)
}

// sameName: a Machine, its OpenStackMachine and its OpenStackServer have one name.
func sameName(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(o)}}
}

// setupNothing: the OpenStack Resource Controller serves images asked for by reference, which nothing here asks for. Its
// custom resources have to be there, and its Deployment ready.
func setupNothing(context.Context, manager.Manager, *base) error { return nil }

func setupAddons(_ context.Context, m manager.Manager, b *base) error {
	for _, kind := range []schema.GroupVersionKind{helmReleaseKind, manifestsKind} {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(kind)
		if err := b.add(m, "addon-"+kind.Kind, o, 4, addonController{b, kind}.reconcile, watch{&clusterv1.Cluster{}, b.addonKeys(kind)}); err != nil {
			return err
		}
	}
	return nil
}

// addonKeys finds a Cluster's addons by spec.clusterName: the label is only there once they were looked at.
func (b *base) addonKeys(kind schema.GroupVersionKind) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := b.List(ctx, list, client.InNamespace(o.GetNamespace())); err != nil {
			b.logf("list %s: %v", kind.Kind, err)
			return nil
		}
		var out []reconcile.Request
		for _, item := range list.Items {
			if name, _, _ := unstructured.NestedString(item.Object, "spec", "clusterName"); name == o.GetName() {
				out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: item.GetNamespace(), Name: item.GetName()}})
			}
		}
		return out
	}
}

func setupJanitor(_ context.Context, m manager.Manager, b *base) error {
	return b.add(m, "janitor", &infrav1.OpenStackCluster{}, 1, janitorController{b, newCloudCache()}.reconcile)
}
