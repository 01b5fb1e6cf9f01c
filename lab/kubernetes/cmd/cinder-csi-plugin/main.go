// Command cinder-csi-plugin is the CSI driver cinder.csi.openstack.org: controller or node service, by flags as
// upstream's program of that name. Upstream analogue: cmd/cinder-csi-plugin of cloud-provider-openstack.
package main

import (
	"context"
	"flag"
	"path/filepath"

	"capi-mgmt/lab/kubernetes/cloud"
	"capi-mgmt/lab/kubernetes/cloud/cinder"
	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"k8s.io/klog/v2"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

func main() {
	klog.InitFlags(nil)
	endpoint := flag.String("endpoint", "unix://csi/csi.sock", "where the driver answers")
	config := flag.String("cloud-config", "/etc/config/cloud.conf", "cloud.conf with the cloud's address and credential")
	cluster := flag.String("cluster", "", "written into each volume's metadata")
	controller := flag.Bool("provide-controller-service", true, "answer for volumes in OpenStack")
	node := flag.Bool("provide-node-service", true, "answer for volumes on this node")
	socket := flag.String("kubelet-registration-path", "", "the driver's socket as the kubelet finds it; empty: do not register")
	folder := flag.String("registration-dir", "/registration", "the kubelet's plugins_registry")
	flag.Parse()

	if *socket != "" {
		go func() {
			path := filepath.Join(*folder, cinder.DriverName+"-reg.sock")
			klog.Fatal(cinder.Serve(path, func(server *grpc.Server) {
				registration.RegisterRegistrationServer(server, cinder.Registration{Socket: *socket})
			}))
		}()
	}
	klog.Fatal(cinder.Serve(*endpoint, func(server *grpc.Server) {
		csi.RegisterIdentityServer(server, cinder.Identity{})
		if *controller {
			csi.RegisterControllerServer(server, &cinder.Controller{Cloud: connect(*config), Cluster: *cluster})
		}
		if *node {
			csi.RegisterNodeServer(server, &cinder.Node{Machine: cinder.HostMachine()})
		}
	}))
}

func connect(path string) *cloud.Cloud {
	settings, err := cloud.ReadSettings(path)
	if err != nil {
		klog.Fatal(err)
	}
	made, err := cloud.Connect(context.Background(), settings, "cinder-csi-plugin")
	if err != nil {
		klog.Fatal(err)
	}
	return made
}
