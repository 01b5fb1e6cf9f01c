package controllers

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	corev1 "k8s.io/api/core/v1"
	serverv1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1alpha1"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// labControlPlanePath is where the lab's Nova driver looks for what it starts on a control plane server.
const labControlPlanePath = "/run/kubeadm/lab-control-plane.json"

// labControlPlane is what the lab starts in place of the machine: one real API server at the load balancer's address.
// The fields are the lab's Nova driver's and k3s binary's contract.
type labControlPlane struct {
	Cluster           string   `json:"cluster"` // namespace/name
	UID               string   `json:"uid"`     // of the Cluster: one API server for each
	Address           string   `json:"address"`
	PrefixLength      int      `json:"prefixLength"`
	Gateway           string   `json:"gateway"`
	PortID            string   `json:"portId"`
	NetworkID         string   `json:"networkId"`
	MAC               string   `json:"mac"`
	Port              int      `json:"port"`
	FloatingAddress   string   `json:"floatingAddress"`
	CACert            string   `json:"caCert"`
	CAKey             string   `json:"caKey"`
	ServiceAccountKey string   `json:"serviceAccountKey"`
	PodCIDR           string   `json:"podCidr"`
	ServiceCIDR       string   `json:"serviceCidr"`
	KubernetesVersion string   `json:"kubernetesVersion"`
	DNSNameservers    []string `json:"dnsNameservers"`
}

// userData is the bootstrap secret's content. On a control plane machine the file for the lab is added to it.
func (c openStackServerController) userData(ctx context.Context, cloud *cloud, o *serverv1.OpenStackServer, cluster *clusterv1.Cluster) ([]byte, error) {
	if o.Spec.UserDataRef == nil {
		return nil, nil
	}
	secret := &corev1.Secret{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: o.Namespace, Name: o.Spec.UserDataRef.Name}, secret); err != nil {
		return nil, err
	}
	data := secret.Data["value"]
	if !isControlPlane(o) || cluster == nil {
		return data, nil
	}
	description, err := c.describeControlPlane(ctx, cloud, o, cluster)
	if err != nil {
		return nil, fmt.Errorf("description of the control plane: %w", err)
	}
	content, err := json.Marshal(description)
	if err != nil {
		return nil, err
	}
	return addFile(data, cloudFile{Path: labControlPlanePath, Owner: "root:root", Permissions: "0600", Content: string(content)})
}

// addFile puts a file into a #cloud-config document, keeping all else in it.
func addFile(document []byte, file cloudFile) ([]byte, error) {
	content := map[string]any{}
	if err := yaml.Unmarshal(document, &content); err != nil {
		return nil, err
	}
	files, _ := content["write_files"].([]any)
	content["write_files"] = append(files, file)
	body, err := yaml.Marshal(content)
	return append([]byte("#cloud-config\n"), body...), err
}

func (c openStackServerController) describeControlPlane(ctx context.Context, cloud *cloud, o *serverv1.OpenStackServer, cluster *clusterv1.Cluster) (*labControlPlane, error) {
	infrastructure := &infrav1.OpenStackCluster{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: o.Namespace, Name: cluster.Spec.InfrastructureRef.Name}, infrastructure); err != nil {
		return nil, err
	}
	machine := &clusterv1.Machine{}
	if err := c.Get(ctx, client.ObjectKeyFromObject(o), machine); err != nil {
		return nil, err
	}
	out := &labControlPlane{Cluster: cluster.Namespace + "/" + cluster.Name, UID: string(cluster.UID), Port: apiPort(infrastructure), KubernetesVersion: machine.Spec.Version, DNSNameservers: []string{}}
	portID := ""
	if loadBalanced(infrastructure) {
		lb, err := cloud.loadBalancerNamed(ctx, loadBalancerName(infrastructure, cluster.Name))
		if err != nil {
			return nil, err
		}
		if lb == nil {
			return nil, fmt.Errorf("load balancer %s does not exist", loadBalancerName(infrastructure, cluster.Name))
		}
		portID = lb.VipPortID
	} else if o.Status.Resources != nil && len(o.Status.Resources.Ports) > 0 {
		portID = o.Status.Resources.Ports[0].ID
	}
	port, err := ports.Get(ctx, cloud.network, portID).Extract()
	if err != nil {
		return nil, fmt.Errorf("port %s: %w", portID, err)
	}
	if len(port.FixedIPs) == 0 {
		return nil, fmt.Errorf("port %s has no address", portID)
	}
	subnet, err := subnets.Get(ctx, cloud.network, port.FixedIPs[0].SubnetID).Extract()
	if err != nil {
		return nil, err
	}
	out.Address, out.PortID, out.NetworkID, out.MAC = port.FixedIPs[0].IPAddress, port.ID, port.NetworkID, port.MACAddress
	out.PrefixLength, out.Gateway = prefixLength(subnet.CIDR), subnet.GatewayIP
	if len(subnet.DNSNameservers) > 0 {
		out.DNSNameservers = subnet.DNSNameservers
	}
	if host := cluster.Spec.ControlPlaneEndpoint.Host; host != out.Address {
		out.FloatingAddress = host
	}
	if cidrs := cluster.Spec.ClusterNetwork.Pods.CIDRBlocks; len(cidrs) > 0 {
		out.PodCIDR = cidrs[0]
	}
	if cidrs := cluster.Spec.ClusterNetwork.Services.CIDRBlocks; len(cidrs) > 0 {
		out.ServiceCIDR = cidrs[0]
	}
	for _, part := range []struct {
		purpose, key string
		target       *string
	}{{"ca", "tls.crt", &out.CACert}, {"ca", "tls.key", &out.CAKey}, {"sa", "tls.key", &out.ServiceAccountKey}} {
		secret := &corev1.Secret{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Name + "-" + part.purpose}, secret); err != nil {
			return nil, err
		}
		*part.target = string(secret.Data[part.key])
	}
	return out, nil
}
