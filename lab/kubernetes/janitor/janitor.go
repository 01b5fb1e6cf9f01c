// Package janitor removes what a cluster's own cloud provider and storage driver made in OpenStack and nobody else
// would: load balancers of Services, their floating IPs and security groups, volumes and snapshots. Upstream analogue:
// azimuth-cloud's cluster-api-janitor-openstack.
package janitor

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

const (
	finalizer        = "janitor.capi.stackhpc.com"
	clusterLabel     = "cluster.x-k8s.io/cluster-name"
	volumesPolicy    = "janitor.capi.stackhpc.com/volumes-policy"    // on the OpenStackCluster: delete or keep
	credentialPolicy = "janitor.capi.stackhpc.com/credential-policy" // on the credentials' Secret: delete
	again            = 5 * time.Second
)

// Reconciler keeps an OpenStackCluster that is deleted until nothing of its cluster is left.
type Reconciler struct {
	client.Client
	// VolumesPolicy is for clusters without the annotation: delete or keep.
	VolumesPolicy string
	// Retry is how long to wait after a clean-up that failed.
	Retry    time.Duration
	Recorder events.EventRecorder
	// purge is for tests. Default: OpenStack, with the secret's credentials.
	purge func(ctx context.Context, secret *corev1.Secret, cloud, cluster string, volumes bool) (int, error)
}

func openStackCluster() *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion("infrastructure.cluster.x-k8s.io/v1beta1")
	o.SetKind("OpenStackCluster")
	return o
}

// Setup adds the controller to a manager.
func (r *Reconciler) Setup(m manager.Manager) error {
	return ctrl.NewControllerManagedBy(m).Named("janitor").For(openStackCluster()).Complete(r)
}

// Reconcile marks a cluster, or cleans up after one that is deleted. It does not wait for the provider's own finalizer:
// a Service's load balancer holds the network that the provider is about to delete.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	o := openStackCluster()
	if err := r.Get(ctx, request.NamespacedName, o); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := o.DeepCopy()
	if o.GetDeletionTimestamp().IsZero() {
		if !controllerutil.AddFinalizer(o, finalizer) {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, r.Patch(ctx, o, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}
	if !controllerutil.ContainsFinalizer(o, finalizer) {
		return ctrl.Result{}, nil
	}
	left, err := r.clean(ctx, o)
	if err != nil {
		log.FromContext(ctx).Error(err, "clean-up")
		r.Recorder.Eventf(o, nil, corev1.EventTypeWarning, "CleanupFailed", "Cleanup", "%.1000s", err.Error())
		return ctrl.Result{RequeueAfter: r.Retry}, nil
	}
	if left > 0 {
		return ctrl.Result{RequeueAfter: again}, nil
	}
	controllerutil.RemoveFinalizer(o, finalizer)
	return ctrl.Result{}, client.IgnoreNotFound(r.Patch(ctx, o, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
}

func (r *Reconciler) clean(ctx context.Context, o *unstructured.Unstructured) (int, error) {
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
		policy = r.VolumesPolicy
	}
	purge := r.purge
	if purge == nil {
		purge = inOpenStack
	}
	left, err := purge(ctx, secret, identity["cloudName"], name, policy == "delete")
	if err != nil || left > 0 {
		return left, err
	}
	if secret.Annotations[credentialPolicy] == "delete" {
		if len(o.GetFinalizers()) > 1 {
			return 1, nil // the provider still needs it
		}
		if err := r.Delete(ctx, secret); err != nil && !apierrors.IsNotFound(err) {
			return 0, fmt.Errorf("credentials' secret: %w", err)
		}
	}
	return 0, nil
}

func inOpenStack(ctx context.Context, secret *corev1.Secret, cloudName, cluster string, volumes bool) (int, error) {
	c, err := signIn(ctx, secret, cloudName)
	if err != nil {
		return 0, err
	}
	return purge(ctx, c, cluster, volumes)
}
