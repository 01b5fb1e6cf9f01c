package options

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// ControlPlane is the file a Cluster API machine hands to the lab: what kubeadm and cloud-init would have put on a control
// plane machine, in one piece.
type ControlPlane struct {
	Cluster           string   `json:"cluster"` // namespace/name of the Cluster
	UID               string   `json:"uid"`     // of the Cluster
	Address           string   `json:"address"` // the load balancer's fixed address, which this server answers at
	PrefixLength      int      `json:"prefixLength"`
	Gateway           string   `json:"gateway"`
	PortID            string   `json:"portId"`
	NetworkID         string   `json:"networkId"`
	MAC               string   `json:"mac"`
	Port              int      `json:"port"`
	FloatingAddress   string   `json:"floatingAddress"` // or empty
	CACert            string   `json:"caCert"`          // PEM
	CAKey             string   `json:"caKey"`           // PEM
	ServiceAccountKey string   `json:"serviceAccountKey"`
	PodCIDR           string   `json:"podCidr"`
	ServiceCIDR       string   `json:"serviceCidr"`
	KubernetesVersion string   `json:"kubernetesVersion"`
	DNSNameservers    []string `json:"dnsNameservers"`
}

// besidesControlPlane are the flags that mean something together with --lab-control-plane.
var besidesControlPlane = []string{"lab-control-plane", "data-dir", "write-kubeconfig", "write-kubeconfig-mode", "lab-webhooks",
	"kube-apiserver-arg", "kube-controller-manager-arg", "kube-scheduler-arg"}

// readControlPlane fills the server's description from the file. Configuration files of k3s are not read then: on a machine
// that has both, they belong to the other server.
func (values *raw) readControlPlane(flags *pflag.FlagSet) error {
	var refused []error
	flags.Visit(func(flag *pflag.Flag) {
		if !slices.Contains(besidesControlPlane, flag.Name) {
			refused = append(refused, fmt.Errorf("--%s cannot be given together with --lab-control-plane", flag.Name))
		}
	})
	if len(refused) > 0 {
		return errors.Join(refused...)
	}
	if !flags.Changed("data-dir") {
		return errors.New("--lab-control-plane needs --data-dir")
	}
	content, err := os.ReadFile(values.controlPlaneFile)
	if err != nil {
		return err
	}
	plane := &ControlPlane{}
	if err := json.Unmarshal(content, plane); err != nil {
		return fmt.Errorf("%s: %w", values.controlPlaneFile, err)
	}
	if err := plane.validate(); err != nil {
		return fmt.Errorf("%s: %w", values.controlPlaneFile, err)
	}
	server := &values.Server
	server.ControlPlane = plane
	server.BindAddress, server.AdvertiseAddress, server.Port = "0.0.0.0", plane.Address, plane.Port
	server.TLSNames = []string{plane.Address, plane.FloatingAddress}
	server.ClusterCIDR, server.ServiceCIDR = plane.PodCIDR, plane.ServiceCIDR
	server.Disabled = []string{"local-storage"} // a kubeadm cluster starts without a storage class
	if !flags.Changed("write-kubeconfig") {
		server.Kubeconfig = "" // then it is beside the data
	}
	return nil
}

// validate names every field that is missing or wrong. Keys are never part of a message.
func (plane *ControlPlane) validate() error {
	var problems []error
	need := func(field, value string) {
		if value == "" {
			problems = append(problems, fmt.Errorf("%s is required", field))
		}
	}
	need("cluster", plane.Cluster)
	need("uid", plane.UID)
	need("address", plane.Address)
	need("caCert", plane.CACert)
	need("caKey", plane.CAKey)
	need("serviceAccountKey", plane.ServiceAccountKey)
	need("podCidr", plane.PodCIDR)
	need("serviceCidr", plane.ServiceCIDR)
	for field, value := range map[string]string{"address": plane.Address, "floatingAddress": plane.FloatingAddress} {
		if value != "" && net.ParseIP(value) == nil {
			problems = append(problems, fmt.Errorf("%s %q is not an IP address", field, value))
		}
	}
	if plane.Port == 0 {
		plane.Port = 6443
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}
