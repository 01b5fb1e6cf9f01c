// Package options turns a command line and k3s's configuration files into one description of the server to run. Upstream analogue: k3s's pkg/cli/cmds and pkg/configfilearg.
package options

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	netutils "k8s.io/utils/net"
)

// DefaultKubeconfig is where k3s writes the administrator's kubeconfig and where its kubectl looks for it.
const DefaultKubeconfig = "/etc/rancher/k3s/k3s.yaml"

// Server describes the server to run. Parse gives a complete one: every address valid, every path absolute.
type Server struct {
	DataDir           string
	Kubeconfig        string // path of the administrator's kubeconfig
	KubeconfigMode    os.FileMode
	SecretsEncryption bool
	TLSNames          []string // further names and addresses in the API server's certificate
	BindAddress       net.IP
	AdvertiseAddress  net.IP
	Port              uint16
	ClusterCIDR       net.IPNet
	ServiceCIDR       net.IPNet
	ClusterDomain     string
	Disabled          []string // packaged components left out; coredns exists here

	NodeName    string
	NodeAddress net.IP
	NodeLabels  []string
	NodeTaints  []string

	APIServerArguments         []string
	ControllerManagerArguments []string
	SchedulerArguments         []string

	DisableAgent     bool // no node
	KubeletArguments []string
	ProxyArguments   []string
	PrivateRegistry  string // path of registries.yaml
}

// Parse reads the arguments of `k3s server`. Unknown flags and options are refused, with the list of those that exist. A wish
// for help is fulfilled; the error then is pflag.ErrHelp.
func Parse(arguments []string) (*Server, error) {
	server := &Server{}
	flags := newFlags(server)
	if err := flags.Parse(arguments); err != nil {
		return nil, fmt.Errorf("k3s server: %w\nsupported flags: %s", err, supported(flags))
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("k3s server: unexpected arguments %q\nsupported flags: %s", flags.Args(), supported(flags))
	}
	file, err := flags.GetString("config")
	if err == nil {
		err = applyFiles(flags, file)
	}
	if err != nil {
		return nil, err
	}
	octal := flags.Lookup("write-kubeconfig-mode").Value.String()
	mode, err := strconv.ParseUint(octal, 8, 32)
	if err != nil || mode > 0o777 {
		return nil, fmt.Errorf("--write-kubeconfig-mode %q: not an octal file mode such as 600", octal)
	}
	server.KubeconfigMode = os.FileMode(mode)
	if server.AdvertiseAddress == nil {
		server.AdvertiseAddress = server.BindAddress
		if server.BindAddress.IsUnspecified() {
			if server.AdvertiseAddress, err = utilnet.ChooseHostInterface(); err != nil {
				return nil, fmt.Errorf("--advertise-address is not given: %w", err)
			}
		}
	}
	if server.NodeAddress == nil {
		server.NodeAddress = server.AdvertiseAddress
	}
	if server.DataDir, err = filepath.Abs(server.DataDir); err != nil {
		return nil, err
	}
	server.Kubeconfig, err = filepath.Abs(server.Kubeconfig)
	return server, err
}

// ServiceAddress is the address at index of the service network: 1 is the Service `kubernetes`, 10 the cluster's DNS.
func (s *Server) ServiceAddress(index int) string {
	address, _ := netutils.GetIndexedIP(&s.ServiceCIDR, index) // a network of less than ten addresses has none
	return address.String()
}

// Arguments are a program's own and then the operator's, who gives them as name=value: the last one wins.
func Arguments(own, given []string) []string {
	for _, argument := range given {
		own = append(own, "--"+strings.TrimPrefix(argument, "--"))
	}
	return own
}

// DataDir is the folder to hold state, unless a flag names another.
func DataDir() string { return fromEnv("K3S_DATA_DIR", "/var/lib/rancher/k3s") }
