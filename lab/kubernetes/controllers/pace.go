package controllers

import (
	"context"
	"sync"
	"time"
)

// step is something that takes time on a real cloud and would take none here.
type step string

const (
	stepNetwork      step = "network"       // managed network, router and security groups
	stepLoadBalancer step = "load-balancer" // Octavia boots a pair of amphorae
	stepBootstrap    step = "bootstrap"     // bootstrap data is rendered
	stepServer       step = "server"        // beyond what Nova itself takes
	stepInit         step = "init"          // kubeadm init until the API server answers
	stepJoin         step = "join"          // boot, kubeadm join, kubelet registers
	stepHealthy      step = "healthy"       // control plane pods, etcd member
	stepDrain        step = "drain"         // pods leave a node
	stepAddon        step = "addon"         // images are pulled, pods start
)

// durations of each step: on the fast profile just enough for the states between to be seen; on the real profile what
// a cloud with local image caches takes.
var durations = map[step]struct{ fast, real time.Duration }{
	stepNetwork:      {300 * time.Millisecond, 8 * time.Second},
	stepLoadBalancer: {500 * time.Millisecond, 75 * time.Second},
	stepBootstrap:    {200 * time.Millisecond, 2 * time.Second},
	stepServer:       {300 * time.Millisecond, 25 * time.Second},
	stepInit:         {500 * time.Millisecond, 75 * time.Second},
	stepJoin:         {500 * time.Millisecond, 70 * time.Second},
	stepHealthy:      {300 * time.Millisecond, 20 * time.Second},
	stepDrain:        {300 * time.Millisecond, 20 * time.Second},
	stepAddon:        {500 * time.Millisecond, 40 * time.Second},
}

// pace measures how long each step of each object has been going on. It is kept in memory only: after a restart of the
// controller a step that was going on takes its time again.
type pace struct {
	profile *profileSource
	now     func() time.Time

	mu    sync.Mutex
	began map[string]time.Time
}

func newPace(profile *profileSource) *pace {
	return &pace{profile: profile, now: time.Now, began: map[string]time.Time{}}
}

// left says how much longer the step of the object key has to go on; the first call begins it.
func (p *pace) left(ctx context.Context, key string, s step) time.Duration {
	length := durations[s].fast
	if p.profile.get(ctx).Timing == "real" {
		length = durations[s].real
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := string(s) + " " + key
	began, going := p.began[id]
	if !going {
		began = p.now()
		p.began[id] = began
	}
	return max(0, length-p.now().Sub(began))
}

// backstop is how soon an object is looked at again whose wait ends with a change of another object, which is watched.
const backstop = 10 * time.Second

// poll is how often something outside the objects is looked at while it is awaited.
func (p *pace) poll(ctx context.Context) time.Duration {
	if p.profile.get(ctx).Timing == "real" {
		return 5 * time.Second
	}
	return 500 * time.Millisecond
}
