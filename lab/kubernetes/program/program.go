// Package program is the seam between the node loop and code that acts for a container.
//
// The node loop has no containers. For most pods it only reports them as running. A container whose image is known
// (a Cluster API controller) gets a Program: Go code in this process that does the container's work.
// Upstream analogue: the container runtime interface between kubelet and containerd.
package program

import (
	"context"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// Program does the work of one kind of container.
type Program interface {
	// Match says whether this program acts for the container. The first program that matches is taken.
	Match(pod *corev1.Pod, container corev1.Container) bool

	// Run does the container's work until ctx ends (the pod is deleted or the server stops), then returns promptly.
	// The pod is Ready only while Run is running. An early return, with or without an error, or a panic
	// counts as a crash: the container is restarted with back-off and its restartCount grows.
	Run(ctx context.Context, env Env) error
}

// Env is what a container would find around it.
type Env struct {
	// Config reaches the API server of this process as the pod's service account: RBAC applies as it would to the
	// real container.
	Config *rest.Config
	// Admin reaches the same API server as system:masters. For what the real container does by other means.
	Admin *rest.Config
	// Pod as it was when the container started.
	Pod *corev1.Pod
	// Container is the container of Pod this program acts for.
	Container corev1.Container
	// Args are the container's command and args with $(NAME) expanded.
	Args []string
	// Environ holds the container's environment, with secretKeyRef, configMapKeyRef and fieldRef resolved.
	Environ map[string]string
	// Log is the container's output; `kubectl logs` shows what is written to it. Lines, not fragments.
	Log io.Writer
	// Lead runs work while this pod is the only one of its Deployment that does so, waiting for its turn first.
	// It returns when work returns, or with ctx's error if ctx ends before its turn.
	Lead func(ctx context.Context, work func(ctx context.Context) error) error
}
