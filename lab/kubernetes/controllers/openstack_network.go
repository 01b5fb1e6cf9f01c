package controllers

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
)

// resourceName is upstream's: every shared OpenStack object of a cluster is found by it.
func resourceName(o *infrav1.OpenStackCluster, cluster string) string {
	return "k8s-clusterapi-cluster-" + o.Namespace + "-" + cluster
}

func groupPrefix(o *infrav1.OpenStackCluster, cluster string) string {
	return "k8s-cluster-" + o.Namespace + "-" + cluster + "-secgroup-"
}

// networkFor finds the cluster's network: by id, by filter, or the managed one, which it creates.
func (c *cloud) networkFor(ctx context.Context, o *infrav1.OpenStackCluster, name string) (*networks.Network, []subnets.Subnet, error) {
	var network *networks.Network
	var err error
	switch spec := o.Spec.Network; {
	case spec != nil && spec.ID != nil && *spec.ID != "":
		network, err = networks.Get(ctx, c.network, *spec.ID).Extract()
		if gone(err) {
			return nil, nil, fmt.Errorf("network %s: %w", *spec.ID, err)
		}
	case spec != nil && spec.Filter != nil:
		network, err = c.oneNetwork(ctx, networks.ListOpts{Name: spec.Filter.Name, Description: spec.Filter.Description, ProjectID: spec.Filter.ProjectID})
	case len(o.Spec.ManagedSubnets) > 0:
		return c.managedNetwork(ctx, o, name)
	default:
		return nil, nil, fmt.Errorf("openStackCluster must specify network or managedSubnets")
	}
	if err != nil {
		return nil, nil, err
	}
	found, err := c.subnetsOf(ctx, network.ID)
	if err != nil {
		return nil, nil, err
	}
	if len(o.Spec.Subnets) == 0 {
		return network, found, nil
	}
	var chosen []subnets.Subnet
	for _, wanted := range o.Spec.Subnets {
		for _, s := range found {
			byID := wanted.ID != nil && *wanted.ID == s.ID
			byName := wanted.Filter != nil && (wanted.Filter.Name == "" || wanted.Filter.Name == s.Name) && (wanted.Filter.CIDR == "" || wanted.Filter.CIDR == s.CIDR)
			if byID || byName {
				chosen = append(chosen, s)
			}
		}
	}
	if len(chosen) != len(o.Spec.Subnets) {
		return nil, nil, fmt.Errorf("network %s has %d of the %d subnets asked for", network.ID, len(chosen), len(o.Spec.Subnets))
	}
	return network, chosen, nil
}

func (c *cloud) oneNetwork(ctx context.Context, by networks.ListOptsBuilder) (*networks.Network, error) {
	pages, err := networks.List(c.network, by).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	found, err := networks.ExtractNetworks(pages)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d networks match the filter, exactly 1 expected", len(found))
	}
	return &found[0], nil
}

func (c *cloud) subnetsOf(ctx context.Context, network string) ([]subnets.Subnet, error) {
	pages, err := subnets.List(c.network, subnets.ListOpts{NetworkID: network}).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return subnets.ExtractSubnets(pages)
}

// managedNetwork makes a network and a subnet named after the cluster, or finds them again.
func (c *cloud) managedNetwork(ctx context.Context, o *infrav1.OpenStackCluster, name string) (*networks.Network, []subnets.Subnet, error) {
	pages, err := networks.List(c.network, networks.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return nil, nil, err
	}
	found, err := networks.ExtractNetworks(pages)
	if err != nil {
		return nil, nil, err
	}
	if len(found) == 0 {
		up := true
		made, err := networks.Create(ctx, c.network, networks.CreateOpts{Name: name, AdminStateUp: &up}).Extract()
		if err != nil {
			return nil, nil, err
		}
		if err := c.tag(ctx, "networks", made.ID, o, name); err != nil {
			return nil, nil, err
		}
		found = []networks.Network{*made}
	}
	have, err := c.subnetsOf(ctx, found[0].ID)
	if err != nil || len(have) > 0 {
		return &found[0], have, err
	}
	spec := o.Spec.ManagedSubnets[0]
	opts := subnets.CreateOpts{NetworkID: found[0].ID, Name: name, CIDR: spec.CIDR, IPVersion: 4, DNSNameservers: spec.DNSNameservers}
	for _, pool := range spec.AllocationPools {
		opts.AllocationPools = append(opts.AllocationPools, subnets.AllocationPool{Start: pool.Start, End: pool.End})
	}
	subnet, err := subnets.Create(ctx, c.network, opts).Extract()
	if err != nil {
		return nil, nil, err
	}
	return &found[0], []subnets.Subnet{*subnet}, c.tag(ctx, "subnets", subnet.ID, o, name)
}

// tag marks a networking object with the cluster's resource name and the tags asked for.
func (c *cloud) tag(ctx context.Context, kind, id string, o *infrav1.OpenStackCluster, name string) error {
	tags := []string{name}
	for _, tag := range o.Spec.Tags {
		if tag != name {
			tags = append(tags, tag)
		}
	}
	_, err := attributestags.ReplaceAll(ctx, c.network, kind, id, attributestags.ReplaceAllOpts{Tags: tags}).Extract()
	return err
}

// externalNetwork finds the network that floating IPs come from; without a choice there must be exactly one.
func (c *cloud) externalNetwork(ctx context.Context, o *infrav1.OpenStackCluster) (*networks.Network, error) {
	if o.Spec.DisableExternalNetwork != nil && *o.Spec.DisableExternalNetwork {
		return nil, nil
	}
	if spec := o.Spec.ExternalNetwork; spec != nil && spec.ID != nil && *spec.ID != "" {
		return networks.Get(ctx, c.network, *spec.ID).Extract()
	}
	opts := networks.ListOpts{}
	if spec := o.Spec.ExternalNetwork; spec != nil && spec.Filter != nil {
		opts.Name = spec.Filter.Name
	}
	yes := true
	found, err := c.oneNetwork(ctx, external.ListOptsExt{ListOptsBuilder: opts, External: &yes})
	if err != nil {
		return nil, fmt.Errorf("external network: %w", err)
	}
	return found, nil
}

// routerFor joins a managed subnet to the external network. Given networks bring their own way out.
func (c *cloud) routerFor(ctx context.Context, o *infrav1.OpenStackCluster, name string, external *networks.Network, subnet subnets.Subnet) (*routers.Router, error) {
	pages, err := routers.List(c.network, routers.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	found, err := routers.ExtractRouters(pages)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		made, err := routers.Create(ctx, c.network, routers.CreateOpts{Name: name, GatewayInfo: &routers.GatewayInfo{NetworkID: external.ID}}).Extract()
		if err != nil {
			return nil, err
		}
		if err := c.tag(ctx, "routers", made.ID, o, name); err != nil {
			return nil, err
		}
		found = []routers.Router{*made}
	}
	joined, err := c.portsOf(ctx, ports.ListOpts{DeviceID: found[0].ID})
	if err != nil {
		return nil, err
	}
	for _, port := range joined {
		for _, address := range port.FixedIPs {
			if address.SubnetID == subnet.ID {
				return &found[0], nil
			}
		}
	}
	_, err = routers.AddInterface(ctx, c.network, found[0].ID, routers.AddInterfaceOpts{SubnetID: subnet.ID}).Extract()
	return &found[0], err
}

func (c *cloud) portsOf(ctx context.Context, opts ports.ListOpts) ([]ports.Port, error) {
	pages, err := ports.List(c.network, opts).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return ports.ExtractPorts(pages)
}

// deleteNetwork removes the managed router, ports left behind, subnet and network. Nothing of a given network is touched.
func (c *cloud) deleteNetwork(ctx context.Context, o *infrav1.OpenStackCluster, name string) error {
	if len(o.Spec.ManagedSubnets) == 0 {
		return nil
	}
	pages, err := routers.List(c.network, routers.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return err
	}
	found, err := routers.ExtractRouters(pages)
	if err != nil {
		return err
	}
	for _, router := range found {
		joined, err := c.portsOf(ctx, ports.ListOpts{DeviceID: router.ID, DeviceOwner: "network:router_interface"})
		if err != nil {
			return err
		}
		for _, port := range joined {
			if _, err := routers.RemoveInterface(ctx, c.network, router.ID, routers.RemoveInterfaceOpts{PortID: port.ID}).Extract(); err != nil && !gone(err) {
				return err
			}
		}
		if err := routers.Delete(ctx, c.network, router.ID).ExtractErr(); err != nil && !gone(err) {
			return err
		}
	}
	pages, err = networks.List(c.network, networks.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return err
	}
	all, err := networks.ExtractNetworks(pages)
	if err != nil {
		return err
	}
	for _, network := range all {
		if err := networks.Delete(ctx, c.network, network.ID).ExtractErr(); err != nil && !gone(err) {
			return err
		}
	}
	return nil
}
