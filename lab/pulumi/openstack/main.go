// The openstack plugin: the Terraform provider that @pulumi/openstack bridges, behind Pulumi's own bridge.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-provider-openstack/terraform-provider-openstack/openstack"
)

// version is that of @pulumi/openstack, set by the linker.
var version = "0.0.0"

// The program's resources and functions: the plugin answers any other with an error that names it.
var resources = map[string]tokens.Type{
	"openstack_blockstorage_volume_v3":             "openstack:blockstorage/volume:Volume",
	"openstack_compute_instance_v2":                "openstack:compute/instance:Instance",
	"openstack_compute_keypair_v2":                 "openstack:compute/keypair:Keypair",
	"openstack_compute_servergroup_v2":             "openstack:compute/serverGroup:ServerGroup",
	"openstack_compute_volume_attach_v2":           "openstack:compute/volumeAttach:VolumeAttach",
	"openstack_containerinfra_clustertemplate_v1":  "openstack:containerinfra/clusterTemplate:ClusterTemplate",
	"openstack_images_image_v2":                    "openstack:images/image:Image",
	"openstack_networking_floatingip_v2":           "openstack:networking/floatingIp:FloatingIp",
	"openstack_networking_floatingip_associate_v2": "openstack:networking/floatingIpAssociate:FloatingIpAssociate",
	"openstack_networking_network_v2":              "openstack:networking/network:Network",
	"openstack_networking_port_v2":                 "openstack:networking/port:Port",
	"openstack_networking_router_v2":               "openstack:networking/router:Router",
	"openstack_networking_router_interface_v2":     "openstack:networking/routerInterface:RouterInterface",
	"openstack_networking_secgroup_v2":             "openstack:networking/secGroup:SecGroup",
	"openstack_networking_secgroup_rule_v2":        "openstack:networking/secGroupRule:SecGroupRule",
	"openstack_networking_subnet_v2":               "openstack:networking/subnet:Subnet",
}

var functions = map[string]tokens.ModuleMember{
	"openstack_images_image_v2":       "openstack:images/getImage:getImage",
	"openstack_networking_network_v2": "openstack:networking/getNetwork:getNetwork",
}

func main() {
	info := tfbridge.ProviderInfo{
		P:           shim.NewProvider(openstack.Provider()),
		Name:        "openstack",
		Version:     version,
		Resources:   map[string]*tfbridge.ResourceInfo{},
		DataSources: map[string]*tfbridge.DataSourceInfo{},
	}
	for terraform, token := range resources {
		info.Resources[terraform] = &tfbridge.ResourceInfo{Tok: token}
	}
	for terraform, token := range functions {
		info.DataSources[terraform] = &tfbridge.DataSourceInfo{Tok: token}
	}
	// No schema: it serves code generation and languages without types, and the bridge checks inputs by Terraform's own.
	tfbridge.Main(info.Name, version, info, nil)
}
