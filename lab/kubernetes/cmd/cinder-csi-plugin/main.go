// Command cinder-csi-plugin is the CSI driver cinder.csi.openstack.org: controller or node service, by flags as
// upstream's program of that name. Upstream analogue: cmd/cinder-csi-plugin of cloud-provider-openstack.
package main

import (
	"context"
	"flag"
	"os"

	"capi-mgmt/lab/kubernetes/cloud"
	"capi-mgmt/lab/kubernetes/cloud/cinder"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"k8s.io/klog/v2"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

func main() {
	klog.InitFlags(nil)
	endpoint := flag.String("endpoint", "unix://csi/csi.sock", "where the driver answers; a node service in the machine's plugins_registry")
	config := flag.String("cloud-config", "/etc/config/cloud.conf", "cloud.conf with the cloud's clouds.yaml")
	cluster := flag.String("cluster", "", "written into each volume's metadata")
	controller := flag.Bool("provide-controller-service", true, "answer for volumes in OpenStack")
	nodeService := flag.Bool("provide-node-service", true, "answer for volumes on this node")
	flag.Parse()
	socket := cinder.Path(*endpoint)
	var node *cinder.Node
	if *nodeService {
		var err error
		if node, err = cinder.EnterMachine(); err != nil {
			klog.Fatal(err)
		}
	}
	klog.Fatal(cinder.Serve(socket, func(server *grpc.Server) {
		csi.RegisterIdentityServer(server, cinder.Identity{})
		if *controller {
			csi.RegisterControllerServer(server, &cinder.Controller{Cloud: connect(*config), Cluster: *cluster})
		}
		if node != nil {
			csi.RegisterNodeServer(server, node)
			registration.RegisterRegistrationServer(server, cinder.Registration{Socket: socket})
		}
	}))
}

func connect(path string) *cloud.Cloud {
	conf, err := os.Open(path)
	if err != nil {
		klog.Fatal(err)
	}
	defer conf.Close()
	made, err := cloud.Connect(context.Background(), conf)
	if err != nil {
		klog.Fatal(err)
	}
	return made
}
