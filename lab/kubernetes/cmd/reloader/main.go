// Command reloader restarts the Deployments and DaemonSets of its namespace whose pods use a secret that has changed.
// Upstream analogue: stakater's Reloader with autoReloadAll, which no module registry serves.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// annotation on the pods says which content of the secret they were restarted for.
const annotation = "reloader.stakater.com/last-reloaded-from"

type reloader struct {
	client    kubernetes.Interface
	namespace string
}

// changed restarts what uses a secret, if its content is another one.
func (r reloader) changed(ctx context.Context, before, after *corev1.Secret) error {
	if reflect.DeepEqual(before.Data, after.Data) {
		return nil
	}
	content, err := json.Marshal(after.Data)
	if err != nil {
		return err
	}
	patch := fmt.Appendf(nil, `{"spec": {"template": {"metadata": {"annotations": {%q: "%s-%x"}}}}}`, annotation, after.Name, sha256.Sum256(content))
	deployments, err := r.client.AppsV1().Deployments(r.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	sets, err := r.client.AppsV1().DaemonSets(r.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, item := range deployments.Items {
		if uses(item.Spec.Template, after.Name) {
			klog.InfoS("restarting", "deployment", item.Name, "secret", after.Name)
			_, failed := r.client.AppsV1().Deployments(r.namespace).Patch(ctx, item.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
			err = errors.Join(err, failed)
		}
	}
	for _, item := range sets.Items {
		if uses(item.Spec.Template, after.Name) {
			klog.InfoS("restarting", "daemonset", item.Name, "secret", after.Name)
			_, failed := r.client.AppsV1().DaemonSets(r.namespace).Patch(ctx, item.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
			err = errors.Join(err, failed)
		}
	}
	return err
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
	config, err := rest.InClusterConfig()
	if err != nil {
		klog.Fatal(err)
	}
	r := reloader{kubernetes.NewForConfigOrDie(config), os.Getenv("KUBERNETES_NAMESPACE")}
	factory := informers.NewSharedInformerFactoryWithOptions(r.client, 0, informers.WithNamespace(r.namespace))
	_, err = factory.Core().V1().Secrets().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			if err := r.changed(context.Background(), before.(*corev1.Secret), after.(*corev1.Secret)); err != nil {
				klog.ErrorS(err, "not restarted")
			}
		},
	})
	if err != nil {
		klog.Fatal(err)
	}
	factory.Start(nil)
	select {}
}
