package server

import (
	"context"
	"time"

	"capi-mgmt/lab/kubernetes/agent"
	"capi-mgmt/lab/kubernetes/options"

	"k8s.io/client-go/kubernetes"
)

// containerdLimit is how long containerd may take to answer: a second, on a busy machine more.
const containerdLimit = 2 * time.Minute

// node is this machine as a node, or nothing where none is wanted. Its programs run in two groups: the kubelet and
// kube-proxy end before containerd does.
type node struct {
	agent      *agent.Node
	options    *options.Server
	stops      []context.CancelFunc
	containerd <-chan struct{}
	programs   []<-chan struct{}
}

// startNode starts containerd, which needs nothing of the control plane.
func startNode(o *options.Server, parts *parts) (*node, error) {
	n := &node{options: o}
	if o.DisableAgent {
		return n, nil
	}
	var err error
	if n.agent, err = agent.Prepare(o); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stops = []context.CancelFunc{stop}
	n.containerd = parts.start("containerd", func() error { return n.agent.RunContainerd(ctx) })
	return n, nil
}

// join starts what talks to the API server.
func (n *node) join(parts *parts) error {
	if n.agent == nil {
		return nil
	}
	if err := parts.await("containerd is ready", containerdLimit, n.agent.ContainerdReady); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stops = append(n.stops, stop)
	if err := n.agent.ImportImages(ctx); err != nil {
		return err
	}
	n.programs = append(n.programs, parts.start("kubelet", func() error { return n.agent.RunKubelet(ctx) }))
	if !n.options.DisableProxy {
		n.programs = append(n.programs, parts.start("kube-proxy", func() error { return n.agent.RunProxy(ctx) }))
	}
	return nil
}

// ready completes the Node once the kubelet has made it, and says whether it can take pods.
func (n *node) ready(ctx context.Context, client kubernetes.Interface) bool {
	if n.agent == nil {
		return true
	}
	ready, err := n.agent.Register(ctx, client)
	return err == nil && ready // no Node yet, or one that somebody else changed meanwhile: asked again
}

// stop ends the programs, the last started first. Pods go on.
func (n *node) stop(parts *parts) {
	parts.stopping.Store(true)
	for len(n.stops) > 0 {
		last := len(n.stops) - 1
		n.stops[last]()
		n.stops = n.stops[:last]
		if last > 0 {
			parts.awaitEnd("kubelet and kube-proxy", nodeStop, n.programs...)
		} else {
			parts.awaitEnd("containerd", nodeStop, n.containerd)
		}
	}
}
