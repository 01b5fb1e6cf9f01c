package addons

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// concurrent is how many addons of a kind are worked on at once: each holds its place until its workloads are ready,
// and one may need another.
const concurrent = 12

// Setup adds a controller for each kind. An addon is looked at again when its Cluster or a source of it changes.
func Setup(m manager.Manager) error {
	for _, kind := range []string{"HelmRelease", "Manifests"} {
		r := &reconciler{Client: m.GetClient(), kind: kind, helm: "helm", recorder: m.GetEventRecorder("cluster-api-addon-provider")}
		build := ctrl.NewControllerManagedBy(m).Named(kind).WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
			For(object(version, kind), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
			Watches(cluster(), r.marked(func(name string) client.ListOption { return client.MatchingLabels{group + "/cluster": name} })).
			WatchesMetadata(&corev1.Secret{}, r.marked(func(name string) client.ListOption { return client.HasLabels{usesLabel(name)} }))
		if err := build.Complete(r); err != nil {
			return err
		}
	}
	return nil
}

// marked maps an object to the addons in its namespace with the label that its name gives.
func (r *reconciler) marked(label func(name string) client.ListOption) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) (found []reconcile.Request) {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(version)
		list.SetKind(r.kind + "List")
		if err := r.List(ctx, list, client.InNamespace(o.GetNamespace()), label(o.GetName())); err != nil {
			log.FromContext(ctx).Error(err, "list", "kind", r.kind)
		}
		for _, item := range list.Items {
			found = append(found, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&item)})
		}
		return found
	})
}
