// Command reloader restarts the Deployments and DaemonSets of its namespace whose pods use a secret that has changed.
// Upstream analogue: stakater's Reloader with autoReloadAll, which no module registry serves.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"

	"capi-mgmt/lab/kubernetes/operator"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// annotation on the pods says which content of the secret they were restarted for.
const annotation = "reloader.stakater.com/last-reloaded-from"

// changed restarts what uses a secret, if its content is another one.
func changed(ctx context.Context, c client.Client, before, after *corev1.Secret) error {
	if reflect.DeepEqual(before.Data, after.Data) {
		return nil
	}
	content, err := json.Marshal(after.Data)
	if err != nil {
		return err
	}
	patch := fmt.Appendf(nil, `{"spec": {"template": {"metadata": {"annotations": {%q: "%s-%x"}}}}}`, annotation, after.Name, sha256.Sum256(content))
	for _, kind := range []string{"Deployment", "DaemonSet"} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind(kind + "List"))
		if err := c.List(ctx, list, client.InNamespace(after.Namespace)); err != nil {
			return err
		}
		for _, item := range list.Items {
			var workload appsv1.Deployment // a DaemonSet's template is in the same place
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &workload); err != nil {
				return err
			}
			if uses(workload.Spec.Template, after.Name) {
				log.FromContext(ctx).Info("restarting", "kind", kind, "name", item.GetName(), "secret", after.Name)
				if err := c.Patch(ctx, &item, client.RawPatch(types.MergePatchType, patch)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// uses tells whether a pod mounts a secret or has a variable from it.
func uses(template corev1.PodTemplateSpec, secret string) (found bool) {
	podutil.VisitPodSecretNames(&corev1.Pod{Spec: template.Spec}, func(name string) bool {
		found = found || name == secret
		return true
	})
	return found
}

func main() {
	operator.Main(func(m ctrl.Manager) error {
		secrets, err := m.GetCache().GetInformer(context.Background(), &corev1.Secret{}, cache.BlockUntilSynced(false))
		if err != nil {
			return err
		}
		_, err = secrets.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(before, after any) {
			if err := changed(context.Background(), m.GetClient(), before.(*corev1.Secret), after.(*corev1.Secret)); err != nil {
				m.GetLogger().Error(err, "not restarted")
			}
		}})
		return err
	})
}
