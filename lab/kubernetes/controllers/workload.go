package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// workloadClients gives clients to the clusters that Cluster objects describe, each from its <cluster>-kubeconfig
// secret, made again when the secret changes. Upstream analogue: Cluster API's cluster cache.
type workloadClients struct {
	management client.Client

	mu      sync.Mutex
	clients map[client.ObjectKey]workloadClient
	seen    map[client.ObjectKey]time.Time // when a probe last succeeded
}

// remoteGrace is how long a cluster that answered before may be silent until its connection counts as lost.
const remoteGrace = 50 * time.Second // Cluster API's default

type workloadClient struct {
	version string
	client  client.Client
	// failed and at say how the last attempt went wrong, so that those who waited meanwhile need not try again.
	failed error
	at     time.Time
}

func newWorkloadClients(management client.Client) *workloadClients {
	return &workloadClients{management: management, clients: map[client.ObjectKey]workloadClient{}, seen: map[client.ObjectKey]time.Time{}}
}

// get returns a client whose API server has just answered. Errors say whether the secret is missing or the server away.
func (w *workloadClients) get(ctx context.Context, cluster *clusterv1.Cluster) (client.Client, error) {
	key := client.ObjectKeyFromObject(cluster)
	secret := &corev1.Secret{}
	if err := w.management.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name + "-kubeconfig"}, secret); err != nil {
		return nil, fmt.Errorf("kubeconfig of cluster %s: %w", key, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	version := string(secret.UID) + "/" + secret.ResourceVersion
	if known, ok := w.clients[key]; ok && known.version == version {
		if known.failed == nil {
			return known.client, nil
		}
		if time.Since(known.at) < 300*time.Millisecond {
			return nil, known.failed
		}
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(secret.Data["value"])
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of cluster %s: %w", key, err)
	}
	cfg.Timeout = 5 * time.Second // an address nobody answers at yet must not hold up a controller
	cfg.QPS, cfg.Burst = 50, 100
	made, err := connect(ctx, cfg)
	if err != nil {
		err = fmt.Errorf("API server of cluster %s at %s: %w", key, cfg.Host, err)
	}
	w.clients[key] = workloadClient{version: version, client: made, failed: err, at: time.Now()}
	return made, err
}

// probe asks the cluster for something. One that answered within remoteGrace passes in any case.
func (w *workloadClients) probe(ctx context.Context, cluster *clusterv1.Cluster) error {
	key := client.ObjectKeyFromObject(cluster)
	remote, err := w.get(ctx, cluster)
	if err == nil {
		err = remote.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &corev1.Namespace{})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.seen[key] = time.Now()
		return nil
	}
	if time.Since(w.seen[key]) < remoteGrace {
		return nil
	}
	return err
}

func connect(ctx context.Context, cfg *rest.Config) (client.Client, error) {
	if err := reachable(ctx, cfg); err != nil {
		return nil, err
	}
	return client.New(cfg, client.Options{Scheme: scheme})
}

// reachable asks for readiness with the credentials.
func reachable(ctx context.Context, cfg *rest.Config) error {
	probe := rest.CopyConfig(cfg)
	probe.Timeout = 2 * time.Second
	probe.NegotiatedSerializer = rawSerializer
	probe.GroupVersion = &corev1.SchemeGroupVersion
	c, err := rest.UnversionedRESTClientFor(probe)
	if err != nil {
		return err
	}
	return c.Get().AbsPath("/readyz").Do(ctx).Error()
}
