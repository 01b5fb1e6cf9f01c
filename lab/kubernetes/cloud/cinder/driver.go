// Package cinder is a CSI driver for Cinder's volumes: made, attached, grown and deleted through OpenStack's APIs, made
// into file systems and mounted on the node. Upstream analogue: pkg/csi/cinder of cloud-provider-openstack, without
// snapshots, clones, raw block volumes, topology and several clouds.
package cinder

import (
	"context"
	"net"
	"os"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"k8s.io/klog/v2"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// DriverName is what storage classes and volumes call the driver.
const DriverName = "cinder.csi.openstack.org"

// Identity says what the driver is, and that it is ready.
type Identity struct {
	csi.UnimplementedIdentityServer
}

// GetPluginInfo names the driver.
func (Identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: DriverName, VendorVersion: "lab"}, nil
}

// GetPluginCapabilities says that it has a controller and grows volumes in use.
func (Identity) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	service := &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}
	expansion := &csi.PluginCapability_VolumeExpansion{Type: csi.PluginCapability_VolumeExpansion_ONLINE}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{
		{Type: &csi.PluginCapability_Service_{Service: service}},
		{Type: &csi.PluginCapability_VolumeExpansion_{VolumeExpansion: expansion}},
	}}, nil
}

// Probe says that the driver is ready.
func (Identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

// Path is that of an endpoint, unix://PATH: absolute with or without its first slash, as upstream has it.
func Path(endpoint string) string {
	return "/" + strings.TrimLeft(strings.TrimPrefix(endpoint, "unix:"), "/")
}

// Serve answers on a socket what the register function adds, until the listener fails.
func Serve(path string, register func(*grpc.Server)) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	register(server)
	return server.Serve(listener)
}

// Registration tells the kubelet of the driver. Upstream analogue: the sidecar node-driver-registrar, which no module
// registry serves.
type Registration struct {
	registration.UnimplementedRegistrationServer
	// Socket is the driver's socket.
	Socket string
}

// GetInfo says what is registered.
func (r Registration) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{Type: registration.CSIPlugin, Name: DriverName, Endpoint: r.Socket, SupportedVersions: []string{"1.0.0"}}, nil
}

// NotifyRegistrationStatus ends the program where the kubelet refused it: the pod's restart is the next try.
func (Registration) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		klog.Fatalf("the kubelet refused the driver: %s", status.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}
