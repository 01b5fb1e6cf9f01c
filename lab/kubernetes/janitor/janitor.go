// Package janitor removes what a cluster's own cloud provider and storage driver made in OpenStack and nobody else
// would: load balancers of Services, their floating IPs and security groups, volumes and snapshots. Upstream analogue:
// azimuth-cloud's cluster-api-janitor-openstack.
package janitor

import (
	"context"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	finalizer     = "janitor.capi.stackhpc.com"
	clusterLabel  = "cluster.x-k8s.io/cluster-name"
	volumesPolicy = "janitor.capi.stackhpc.com/volumes-policy" // on the OpenStackCluster: delete or keep
	again         = 5 * time.Second
)

// reconciler keeps an OpenStackCluster that is deleted until nothing of its cluster is left.
type reconciler struct {
	client.Client
	recorder events.EventRecorder
	volumes  string        // what happens to those of clusters without the annotation: delete or keep
	retry    time.Duration // how long to wait after a clean-up that failed
	// purge is purgeOpenStack, but in tests.
	purge func(ctx context.Context, secret *corev1.Secret, cloud, cluster string, volumes bool) (int, error)
}

func openStackCluster() *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion("infrastructure.cluster.x-k8s.io/v1beta1")
	o.SetKind("OpenStackCluster")
	return o
}

// Setup adds the controller to a manager, with the settings that upstream reads from the environment.
func Setup(m ctrl.Manager) error {
	retry, err := time.ParseDuration(os.Getenv("CAPI_JANITOR_RETRY_DEFAULT_DELAY") + "s")
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(m).Named("janitor").For(openStackCluster()).Complete(&reconciler{
		Client: m.GetClient(), recorder: m.GetEventRecorder("capi-janitor"),
		volumes: os.Getenv("CAPI_JANITOR_DEFAULT_VOLUMES_POLICY"), retry: retry, purge: purgeOpenStack,
	})
}

// Reconcile marks a cluster, or cleans up after one that is deleted. It does not wait for the provider's own finalizer:
// a Service's load balancer holds the network that the provider is about to delete.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	o := openStackCluster()
	if err := r.Get(ctx, request.NamespacedName, o); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	change := client.MergeFromWithOptions(o.DeepCopy(), client.MergeFromWithOptimisticLock{})
	if o.GetDeletionTimestamp().IsZero() {
		if !controllerutil.AddFinalizer(o, finalizer) {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, r.Patch(ctx, o, change)
	}
	if !controllerutil.RemoveFinalizer(o, finalizer) {
		return ctrl.Result{}, nil
	}
	left, err := r.clean(ctx, o)
	if err != nil {
		log.FromContext(ctx).Error(err, "clean-up")
		r.recorder.Eventf(o, nil, corev1.EventTypeWarning, "CleanupFailed", "Cleanup", "%.1000s", err.Error())
		return ctrl.Result{RequeueAfter: r.retry}, nil
	}
	if left > 0 {
		return ctrl.Result{RequeueAfter: again}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.Patch(ctx, o, change))
}

// clean says how many objects there still were.
func (r *reconciler) clean(ctx context.Context, o *unstructured.Unstructured) (int, error) {
	identity, _, _ := unstructured.NestedStringMap(o.Object, "spec", "identityRef")
	secret := &corev1.Secret{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: o.GetNamespace(), Name: identity["name"]}, secret); err != nil {
		return 0, err
	}
	name, ok := o.GetLabels()[clusterLabel]
	if !ok {
		name = o.GetName()
	}
	policy, ok := o.GetAnnotations()[volumesPolicy]
	if !ok {
		policy = r.volumes
	}
	return r.purge(ctx, secret, identity["cloudName"], name, policy == "delete")
}
