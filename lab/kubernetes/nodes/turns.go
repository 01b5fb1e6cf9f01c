package nodes

import (
	"context"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// turns lets one pod of a group lead at a time. All pods of a cluster are in this process, so no Lease object is needed for
// what leader election between real controllers needs one for.
type turns struct {
	lock   sync.Mutex
	groups map[string]chan struct{}
}

func newTurns() *turns { return &turns{groups: map[string]chan struct{}{}} }

// lead waits until no other of the group leads, then works.
func (t *turns) lead(ctx context.Context, group string, work func(context.Context) error) error {
	t.lock.Lock()
	turn := t.groups[group]
	if turn == nil {
		turn = make(chan struct{}, 1)
		t.groups[group] = turn
	}
	t.lock.Unlock()
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-turn }()
	if ctx.Err() != nil { // both were possible
		return ctx.Err()
	}
	return work(ctx)
}

// groupOf names what owns the pod: its Deployment, whatever the revision, or another controller, or the pod itself.
func groupOf(pod *corev1.Pod) string {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return pod.Namespace + "/pod/" + pod.Name
	}
	name := owner.Name
	if hash := pod.Labels["pod-template-hash"]; owner.Kind == "ReplicaSet" && hash != "" {
		name = strings.TrimSuffix(name, "-"+hash)
	}
	return pod.Namespace + "/" + owner.Kind + "/" + name
}
