// Command flanneld is flannel's daemon for pods: subnets of the Kubernetes API, the backend vxlan, rules by iptables. Upstream's
// main also links a backend written in C and one whose cloud's SDK no proxy serves. It writes the node's CNI configuration
// too: flannel's CNI plugin is served by no registry.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"capi-mgmt/lab/kubernetes/cni"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
	"k8s.io/klog/v2"
)

// resync is how often, in seconds, lost rules are written again. Upstream's default, 5, costs each node two iptables programs a
// second.
const resync = 300

const netConf = "/etc/kube-flannel/net-conf.json"

func main() {
	klog.InitFlags(nil)
	flag.Bool("kube-subnet-mgr", true, "take subnets from the Kubernetes API; the only way there is here")
	flag.Bool("ip-masq", true, "masquerade what leaves the pod network; it always is here")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		klog.ErrorS(err, "flanneld ends")
		klog.FlushAndExit(klog.ExitFlushTimeout, 1)
	}
}

func run(ctx context.Context) error {
	subnets, err := kube.NewSubnetManager(ctx, "", "", "flannel.alpha.coreos.com", netConf, true)
	if err != nil {
		return err
	}
	config, err := subnets.GetNetworkConfig(ctx)
	if err != nil {
		return err
	}
	family, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return err
	}
	outside, err := ipmatch.LookupExtIface("", "", "", family, ipmatch.PublicIPOpts{}) // the default route's
	if err != nil {
		return err
	}
	carrier, err := backend.NewManager(ctx, subnets, outside).GetBackend(config.BackendType)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	network, err := carrier.RegisterNetwork(ctx, &group, config)
	if err != nil {
		return err
	}
	lease := network.Lease()
	rules := &iptables.IPTablesManager{}
	if err := rules.Init(ctx); err != nil {
		return err
	}
	// What an earlier run wrote is found by the rules themselves: the node's subnet does not change.
	err = rules.SetupAndEnsureMasqRules(ctx, config.Network, lease.Subnet, config.Network,
		config.IPv6Network, ip.IP6Net{}, ip.IP6Net{}, lease, resync, false)
	if err != nil {
		return err
	}
	rules.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, resync)
	if err := cni.Write("/etc/cni/net.d/"+cni.File, lease.Subnet.String(), network.MTU(), false); err != nil {
		return err
	}
	klog.InfoS("running", "backend", config.BackendType, "subnet", lease.Subnet.String(), "device", outside.Iface.Name)
	group.Go(func() { network.Run(ctx) })
	if err := subnets.CompleteLease(ctx, lease, &group); err != nil {
		return err
	}
	group.Wait()
	return nil
}
