// Command openstack-cloud-controller-manager initializes a cluster's nodes from their OpenStack servers: providerID,
// addresses, labels, the taint away, and nodes of deleted servers gone. Upstream analogue: the program of that name of
// cloud-provider-openstack, which no module registry serves; without its load balancers and routes.
package main

import (
	"os"

	_ "capi-mgmt/lab/kubernetes/cloud/nodes"
	"k8s.io/apimachinery/pkg/util/wait"
	cloudprovider "k8s.io/cloud-provider"
	"k8s.io/cloud-provider/app"
	"k8s.io/cloud-provider/app/config"
	"k8s.io/cloud-provider/names"
	"k8s.io/cloud-provider/options"
	"k8s.io/component-base/cli"
	cliflag "k8s.io/component-base/cli/flag"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	"k8s.io/klog/v2"
)

func main() {
	settings, err := options.NewCloudControllerManagerOptions()
	if err != nil {
		klog.Fatalf("options: %v", err)
	}
	connect := func(completed *config.CompletedConfig) cloudprovider.Interface {
		chosen := completed.ComponentConfig.KubeCloudShared.CloudProvider
		made, err := cloudprovider.InitCloudProvider(chosen.Name, chosen.CloudConfigFile)
		if err != nil || made == nil {
			klog.Fatalf("cloud provider %q (legal: openstack): %v", chosen.Name, err)
		}
		return made
	}
	os.Exit(cli.Run(app.NewCloudControllerManagerCommand(settings, connect, app.DefaultInitFuncConstructors,
		names.CCMControllerAliases(), cliflag.NamedFlagSets{}, wait.NeverStop)))
}
