package controllers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servergroups"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	serverv1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1alpha1"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
)

// resolvedServer has the ids of what an OpenStackServer names.
type resolvedServer struct{ image, flavor, group string }

func (c *cloud) resolve(ctx context.Context, o *serverv1.OpenStackServer) (resolvedServer, error) {
	var out resolvedServer
	var err error
	if out.image, err = c.imageID(ctx, o.Spec.Image); err != nil {
		return out, err
	}
	if out.flavor, err = c.flavorID(ctx, deref(o.Spec.Flavor), deref(o.Spec.FlavorID)); err != nil {
		return out, err
	}
	out.group, err = c.groupID(ctx, o.Spec.ServerGroup)
	return out, err
}

func (c *cloud) imageID(ctx context.Context, spec infrav1.ImageParam) (string, error) {
	switch {
	case spec.ID != nil:
		return *spec.ID, nil
	case spec.Filter != nil && spec.Filter.Name != nil:
		pages, err := images.List(c.image, images.ListOpts{Name: *spec.Filter.Name, Tags: spec.Filter.Tags}).AllPages(ctx)
		if err != nil {
			return "", err
		}
		found, err := images.ExtractImages(pages)
		if err != nil {
			return "", err
		}
		if len(found) != 1 {
			return "", fmt.Errorf("%d images named %q, exactly 1 expected", len(found), *spec.Filter.Name)
		}
		return found[0].ID, nil
	}
	return "", errors.New("image: only id and filter.name are implemented here")
}

// flavorID finds a flavor by id, or by name as upstream does.
func (c *cloud) flavorID(ctx context.Context, name, id string) (string, error) {
	if id != "" {
		return id, nil
	}
	pages, err := flavors.ListDetail(c.compute, nil).AllPages(ctx)
	if err != nil {
		return "", err
	}
	found, err := flavors.ExtractFlavors(pages)
	if err != nil {
		return "", err
	}
	for _, flavor := range found {
		if flavor.Name == name {
			return flavor.ID, nil
		}
	}
	return "", fmt.Errorf("no flavor is named %q", name)
}

func (c *cloud) groupID(ctx context.Context, spec *infrav1.ServerGroupParam) (string, error) {
	if spec == nil {
		return "", nil
	}
	if spec.ID != nil {
		return *spec.ID, nil
	}
	if spec.Filter == nil || spec.Filter.Name == nil {
		return "", errors.New("serverGroup needs id or filter.name")
	}
	pages, err := servergroups.List(c.compute, nil).AllPages(ctx)
	if err != nil {
		return "", err
	}
	found, err := servergroups.ExtractServerGroups(pages)
	if err != nil {
		return "", err
	}
	for _, group := range found {
		if group.Name == *spec.Filter.Name {
			return group.ID, nil
		}
	}
	return "", fmt.Errorf("no server group is named %q", *spec.Filter.Name)
}

// ensurePort makes the server's i-th port, named <server>-<i or suffix>.
func (c *cloud) ensurePort(ctx context.Context, o *serverv1.OpenStackServer, i int) (*ports.Port, error) {
	spec := o.Spec.Ports[i]
	name := o.Name + "-" + strconv.Itoa(i)
	if spec.NameSuffix != nil {
		name = o.Name + "-" + *spec.NameSuffix
	}
	if (spec.Trunk != nil && *spec.Trunk) || (o.Spec.Trunk != nil && *o.Spec.Trunk) {
		return nil, fmt.Errorf("port %s: trunk ports are not implemented here", name)
	}
	if spec.Profile != nil || spec.HostID != nil {
		return nil, fmt.Errorf("port %s: profile and hostID are not implemented here", name)
	}
	found, err := c.portsOf(ctx, ports.ListOpts{Name: name})
	if err != nil {
		return nil, err
	}
	if len(found) > 0 {
		return &found[0], nil
	}
	network := ""
	if spec.Network != nil && spec.Network.ID != nil {
		network = *spec.Network.ID
	} else if spec.Network != nil && spec.Network.Filter != nil {
		one, err := c.oneNetwork(ctx, networks.ListOpts{Name: spec.Network.Filter.Name})
		if err != nil {
			return nil, fmt.Errorf("port %s: %w", name, err)
		}
		network = one.ID
	}
	up := true
	opts := ports.CreateOpts{Name: name, NetworkID: network, Description: "Created by cluster-api-provider-openstack", AdminStateUp: &up, MACAddress: deref(spec.MACAddress)}
	if spec.Description != nil {
		opts.Description = *spec.Description
	}
	var addresses []ports.IP
	for _, ip := range spec.FixedIPs {
		address := ports.IP{IPAddress: deref(ip.IPAddress)}
		if ip.Subnet != nil {
			if ip.Subnet.ID == nil {
				return nil, fmt.Errorf("port %s: a fixed IP's subnet is only taken by id here", name)
			}
			address.SubnetID = *ip.Subnet.ID
		}
		addresses = append(addresses, address)
	}
	if len(addresses) > 0 {
		opts.FixedIPs = addresses
	}
	for _, pair := range spec.AllowedAddressPairs {
		opts.AllowedAddressPairs = append(opts.AllowedAddressPairs, ports.AddressPair{IPAddress: pair.IPAddress, MACAddress: deref(pair.MACAddress)})
	}
	if len(spec.SecurityGroups) > 0 {
		ids := []string{}
		for _, group := range spec.SecurityGroups {
			id, err := c.securityGroupID(ctx, group)
			if err != nil {
				return nil, fmt.Errorf("port %s: %w", name, err)
			}
			ids = append(ids, id)
		}
		opts.SecurityGroups = &ids
	}
	made, err := ports.Create(ctx, c.network, opts).Extract()
	if err != nil {
		return nil, err
	}
	if tags := append(append([]string{}, o.Spec.Tags...), spec.Tags...); len(tags) > 0 {
		if _, err := attributestags.ReplaceAll(ctx, c.network, "ports", made.ID, attributestags.ReplaceAllOpts{Tags: tags}).Extract(); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func (c *cloud) securityGroupID(ctx context.Context, spec infrav1.SecurityGroupParam) (string, error) {
	if spec.ID != nil {
		return *spec.ID, nil
	}
	if spec.Filter == nil || spec.Filter.Name == "" {
		return "", errors.New("a security group needs id or filter.name")
	}
	pages, err := groups.List(c.network, groups.ListOpts{Name: spec.Filter.Name}).AllPages(ctx)
	if err != nil {
		return "", err
	}
	found, err := groups.ExtractGroups(pages)
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d security groups named %q, exactly 1 expected", len(found), spec.Filter.Name)
	}
	return found[0].ID, nil
}

// deletePorts removes the server's ports by name, also those of a server that never came to be.
func (c *cloud) deletePorts(ctx context.Context, o *serverv1.OpenStackServer) error {
	for i, spec := range o.Spec.Ports {
		name := o.Name + "-" + strconv.Itoa(i)
		if spec.NameSuffix != nil {
			name = o.Name + "-" + *spec.NameSuffix
		}
		found, err := c.portsOf(ctx, ports.ListOpts{Name: name})
		if err != nil {
			return err
		}
		for _, port := range found {
			if err := ports.Delete(ctx, c.network, port.ID).ExtractErr(); err != nil && !gone(err) {
				return err
			}
		}
	}
	return nil
}

// blockDevices makes root volume and additional volumes in Cinder and says how Nova attaches them.
func (c *cloud) blockDevices(ctx context.Context, o *serverv1.OpenStackServer, image string) ([]servers.BlockDevice, error) {
	var out []servers.BlockDevice
	if root := o.Spec.RootVolume; root != nil {
		volume, err := c.ensureVolume(ctx, o, "root", root.SizeGiB, root.BlockDeviceVolume, image)
		if err != nil {
			return nil, err
		}
		out = append(out, servers.BlockDevice{SourceType: servers.SourceVolume, DestinationType: servers.DestinationVolume, UUID: volume.ID, BootIndex: 0, DeleteOnTermination: true})
	} else if len(o.Spec.AdditionalBlockDevices) > 0 {
		out = append(out, servers.BlockDevice{SourceType: servers.SourceImage, DestinationType: servers.DestinationLocal, UUID: image, BootIndex: 0, DeleteOnTermination: true})
	}
	for _, device := range o.Spec.AdditionalBlockDevices {
		if device.Storage.Type == infrav1.LocalBlockDevice {
			out = append(out, servers.BlockDevice{SourceType: servers.SourceBlank, DestinationType: servers.DestinationLocal, VolumeSize: device.SizeGiB, BootIndex: -1, DeleteOnTermination: true, Tag: device.Name})
			continue
		}
		spec := infrav1.BlockDeviceVolume{}
		if device.Storage.Volume != nil {
			spec = *device.Storage.Volume
		}
		volume, err := c.ensureVolume(ctx, o, device.Name, device.SizeGiB, spec, "")
		if err != nil {
			return nil, err
		}
		out = append(out, servers.BlockDevice{SourceType: servers.SourceVolume, DestinationType: servers.DestinationVolume, UUID: volume.ID, BootIndex: -1, DeleteOnTermination: true, Tag: device.Name})
	}
	return out, nil
}

func (c *cloud) volumesNamed(ctx context.Context, name string) ([]volumes.Volume, error) {
	pages, err := volumes.List(c.volume, volumes.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return volumes.ExtractVolumes(pages)
}

func (c *cloud) ensureVolume(ctx context.Context, o *serverv1.OpenStackServer, suffix string, size int, spec infrav1.BlockDeviceVolume, image string) (*volumes.Volume, error) {
	name := o.Name + "-" + suffix
	found, err := c.volumesNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		zone := deref(o.Spec.AvailabilityZone)
		if az := spec.AvailabilityZone; az != nil && az.From != infrav1.VolumeAZFromMachine {
			zone = ""
			if az.Name != nil {
				zone = string(*az.Name)
			}
		} else if az == nil {
			zone = ""
		}
		made, err := volumes.Create(ctx, c.volume, volumes.CreateOpts{Name: name, Description: "Created by cluster-api-provider-openstack", Size: size, VolumeType: spec.Type,
			AvailabilityZone: zone, ImageID: image, Metadata: map[string]string{"cluster": strings.Join(o.Spec.Tags, ",")}}, nil).Extract()
		if err != nil {
			return nil, err
		}
		found = []volumes.Volume{*made}
	}
	switch found[0].Status {
	case "available":
		return &found[0], nil
	case "error":
		return nil, fmt.Errorf("volume %s is in state error", name)
	}
	return nil, wait{500 * time.Millisecond}
}

func (c *cloud) deleteVolumes(ctx context.Context, o *serverv1.OpenStackServer) error {
	suffixes := []string{}
	if o.Spec.RootVolume != nil {
		suffixes = append(suffixes, "root")
	}
	for _, device := range o.Spec.AdditionalBlockDevices {
		suffixes = append(suffixes, device.Name)
	}
	for _, suffix := range suffixes {
		found, err := c.volumesNamed(ctx, o.Name+"-"+suffix)
		if err != nil {
			return err
		}
		for _, volume := range found {
			switch volume.Status {
			case "available", "error":
				if err := volumes.Delete(ctx, c.volume, volume.ID, nil).ExtractErr(); err != nil && !gone(err) {
					return err
				}
				return wait{500 * time.Millisecond}
			default: // Nova deletes an attached one with its server
				return wait{500 * time.Millisecond}
			}
		}
	}
	return nil
}
