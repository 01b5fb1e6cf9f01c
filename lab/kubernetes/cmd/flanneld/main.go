// Command flanneld is flannel's daemon for pods: subnets of the Kubernetes API, backends vxlan and host-gw. Upstream's main also
// links a backend written in C and one whose cloud's SDK no proxy serves.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr"
	"github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
	"github.com/flannel-io/flannel/pkg/trafficmngr/nftables"
	"github.com/flannel-io/flannel/pkg/version"
	"k8s.io/klog/v2"
)

// resync is how often, in seconds, lost rules are written again.
const resync = 5

var (
	kubeSubnets = flag.Bool("kube-subnet-mgr", false, "take subnets from the Kubernetes API; the only way there is here")
	masquerade  = flag.Bool("ip-masq", false, "masquerade what leaves the pod network")
	publicIP    = flag.String("public-ip", "", "address the other nodes reach this one by")
	device      = flag.String("iface", "", "device or address the other nodes are reached by; default: the default route's")
	kubeconfig  = flag.String("kubeconfig-file", "", "kubeconfig outside of a pod")
	netConf     = flag.String("net-config-path", "/etc/kube-flannel/net-conf.json", "the network's configuration")
	subnetFile  = flag.String("subnet-file", "/run/flannel/subnet.env", "what the CNI plugin reads")
	healthzPort = flag.Int("healthz-port", 0, "port of /healthz; 0: none")
	showVersion = flag.Bool("version", false, "print the version")
)

func main() {
	klog.InitFlags(nil)
	flag.Parse()
	if *showVersion {
		fmt.Println(version.Version)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		klog.ErrorS(err, "flanneld ends")
		klog.FlushAndExit(klog.ExitFlushTimeout, 1)
	}
}

func run(ctx context.Context) error {
	if !*kubeSubnets {
		return fmt.Errorf("only --kube-subnet-mgr is here, no etcd")
	}
	subnets, err := kube.NewSubnetManager(ctx, "", *kubeconfig, "flannel.alpha.coreos.com", *netConf, true)
	if err != nil {
		return err
	}
	if *healthzPort > 0 {
		serveHealth(*healthzPort)
	}
	config, err := subnets.GetNetworkConfig(ctx)
	if err != nil {
		return err
	}
	outside, err := externalInterface(ctx, subnets, config)
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
	if err := writeRules(ctx, config, network); err != nil {
		return err
	}
	lease := network.Lease()
	if err := subnets.HandleSubnetFile(*subnetFile, config, *masquerade, lease.Subnet, lease.IPv6Subnet, network.MTU()); err != nil {
		return err
	}
	klog.InfoS("running", "backend", config.BackendType, "subnet", lease.Subnet.String(), "device", outside.Iface.Name)
	group.Add(1)
	go func() {
		defer group.Done()
		network.Run(ctx)
	}()
	err = subnets.CompleteLease(ctx, lease, &group)
	group.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// externalInterface is the device that carries the pods' traffic to the other nodes.
func externalInterface(ctx context.Context, subnets subnet.Manager, config *subnet.Config) (*backend.ExternalInterface, error) {
	family, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return nil, err
	}
	public := ipmatch.PublicIPOpts{PublicIP: *publicIP}
	if stored, _ := subnets.GetStoredPublicIP(ctx); stored != "" {
		public.PublicIP = stored
	}
	name := *device
	if name == "" {
		name = public.PublicIP
	}
	return ipmatch.LookupExtIface(name, "", "", family, public)
}

// writeRules allows forwarding and masquerades, by iptables or nftables as configured; the other one's rules go.
func writeRules(ctx context.Context, config *subnet.Config, network backend.Network) error {
	var rules, others trafficmngr.TrafficManager = &iptables.IPTablesManager{}, &nftables.NFTablesManager{}
	if config.EnableNFTables {
		rules, others = others, rules
	}
	if err := others.CleanUp(ctx); err != nil {
		return err
	}
	if err := rules.Init(ctx); err != nil {
		return err
	}
	if *masquerade {
		// What an earlier run wrote is found by the rules themselves: the node's subnet does not change.
		lease := network.Lease()
		err := rules.SetupAndEnsureMasqRules(ctx, config.Network, lease.Subnet, config.Network,
			config.IPv6Network, ip.IP6Net{}, ip.IP6Net{}, lease, resync, false)
		if err != nil {
			return err
		}
	}
	rules.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, resync)
	return nil
}

func serveHealth(port int) {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "flanneld is running") })
	server := &http.Server{Addr: fmt.Sprintf(":%d", port), Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { klog.ErrorS(server.ListenAndServe(), "healthz ends") }()
}
