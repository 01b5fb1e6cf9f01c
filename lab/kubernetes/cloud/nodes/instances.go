// Package nodes is the cloud provider "openstack" of k8s.io/cloud-provider, as far as it concerns nodes. Upstream
// analogue: instances.go in pkg/openstack of cloud-provider-openstack.
package nodes

import (
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"

	"capi-mgmt/lab/kubernetes/cloud"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	corev1 "k8s.io/api/core/v1"
	cloudprovider "k8s.io/cloud-provider"
)

// ProviderName is the name in --cloud-provider and the scheme of nodes' providerID.
const ProviderName = "openstack"

func init() {
	cloudprovider.RegisterCloudProvider(ProviderName, func(conf io.Reader) (cloudprovider.Interface, error) {
		made, err := cloud.Connect(context.Background(), conf)
		return provider{made}, err
	})
}

// provider knows nodes only: neither load balancers nor routes.
type provider struct{ *cloud.Cloud }

func (provider) Initialize(cloudprovider.ControllerClientBuilder, <-chan struct{}) {}
func (provider) LoadBalancer() (cloudprovider.LoadBalancer, bool)                  { return nil, false }
func (provider) Instances() (cloudprovider.Instances, bool)                        { return nil, false }
func (p provider) InstancesV2() (cloudprovider.InstancesV2, bool)                  { return p, true }
func (provider) Zones() (cloudprovider.Zones, bool)                                { return nil, false }
func (provider) Clusters() (cloudprovider.Clusters, bool)                          { return nil, false }
func (provider) Routes() (cloudprovider.Routes, bool)                              { return nil, false }
func (provider) ProviderName() string                                              { return ProviderName }
func (provider) HasClusterID() bool                                                { return true }

// InstanceExists tells whether Nova knows the node's server.
func (p provider) InstanceExists(ctx context.Context, node *corev1.Node) (bool, error) {
	_, err := p.server(ctx, node)
	if err == cloudprovider.InstanceNotFound {
		return false, nil
	}
	return err == nil, err
}

// InstanceShutdown tells whether the node's server is off.
func (p provider) InstanceShutdown(ctx context.Context, node *corev1.Node) (bool, error) {
	server, err := p.server(ctx, node)
	return err == nil && server.Status == "SHUTOFF", err
}

// InstanceMetadata says what the node's labels, addresses and providerID should be.
func (p provider) InstanceMetadata(ctx context.Context, node *corev1.Node) (*cloudprovider.InstanceMetadata, error) {
	server, err := p.server(ctx, node)
	if err != nil {
		return nil, err
	}
	flavor, _ := server.Flavor["original_name"].(string)
	return &cloudprovider.InstanceMetadata{
		ProviderID: ProviderName + ":///" + server.ID, InstanceType: flavor, NodeAddresses: p.addresses(server),
		Zone: server.AvailabilityZone, Region: p.Region,
	}, nil
}

var providerID = regexp.MustCompile(`^` + ProviderName + `://[^/]*/([^/]+)$`)

// server finds a node's server by its providerID, and a node without one by its name.
func (p provider) server(ctx context.Context, node *corev1.Node) (*servers.Server, error) {
	if id := node.Spec.ProviderID; id != "" {
		match := providerID.FindStringSubmatch(id)
		if match == nil {
			return nil, fmt.Errorf("providerID %q is not of the form %s:///ID", id, ProviderName)
		}
		server, err := servers.Get(ctx, p.Compute, match[1]).Extract()
		if cloud.NotFound(err) {
			return nil, cloudprovider.InstanceNotFound
		}
		return server, err
	}
	pages, err := servers.List(p.Compute, servers.ListOpts{Name: "^" + regexp.QuoteMeta(node.Name) + "$"}).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	found, err := servers.ExtractServers(pages)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, cloudprovider.InstanceNotFound
	case len(found) > 1:
		return nil, fmt.Errorf("%d servers are named %s", len(found), node.Name)
	}
	return &found[0], nil
}

// addresses lists floating addresses as external ones, the internal network's fixed ones as internal.
func (p provider) addresses(server *servers.Server) (all []corev1.NodeAddress) {
	for _, network := range slices.Sorted(maps.Keys(server.Addresses)) {
		entries, _ := server.Addresses[network].([]any)
		for _, entry := range entries {
			fields, _ := entry.(map[string]any)
			address, _ := fields["addr"].(string)
			switch {
			case address == "":
			case fields["OS-EXT-IPS:type"] == "floating":
				all = append(all, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: address})
			case p.InternalNetwork == "" || p.InternalNetwork == network:
				all = append(all, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: address})
			}
		}
	}
	return append(all, corev1.NodeAddress{Type: corev1.NodeHostName, Address: server.Name})
}
