package nodes

import (
	"fmt"
	"net"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// addressesPerNode is how many pods of a node can have an address of their own: a /24 less network, bridge and broadcast.
const addressesPerNode = 253

// addresses gives pods addresses out of their node's pod network, as the CNI plugin host-local does.
type addresses struct {
	lock sync.Mutex
	used map[string]string // address -> namespace/name of its pod
	last map[string]int    // by network: the last one given, so that one just freed is not given again at once
}

func newAddresses() *addresses { return &addresses{used: map[string]string{}, last: map[string]int{}} }

// remember notes the address a pod has from before this server started.
func (a *addresses) remember(pod *corev1.Pod) {
	if pod.Status.PodIP != "" && !pod.Spec.HostNetwork {
		a.lock.Lock()
		defer a.lock.Unlock()
		a.used[pod.Status.PodIP] = pod.Namespace + "/" + pod.Name
	}
}

// allocate gives the pod an address in the network.
func (a *addresses) allocate(network, pod string) (string, error) {
	_, parsed, err := net.ParseCIDR(network)
	if err != nil || parsed.IP.To4() == nil {
		return "", fmt.Errorf("no pod network yet on the node of pod %s", pod)
	}
	a.lock.Lock()
	defer a.lock.Unlock()
	for range addressesPerNode {
		a.last[network] = a.last[network]%addressesPerNode + 1
		address := append(net.IP{}, parsed.IP.To4()...)
		address[3] += byte(a.last[network] + 1)
		if _, taken := a.used[address.String()]; !taken {
			a.used[address.String()] = pod
			return address.String(), nil
		}
	}
	return "", fmt.Errorf("no free pod address left in %s", network)
}

// release frees the pod's address.
func (a *addresses) release(pod string) {
	a.lock.Lock()
	defer a.lock.Unlock()
	for address, user := range a.used {
		if user == pod {
			delete(a.used, address)
		}
	}
}
