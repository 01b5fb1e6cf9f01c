// Command reloader restarts the Deployments and DaemonSets of its namespace whose pods use a secret that has changed.
// Upstream analogue: stakater's Reloader with autoReloadAll, which no module registry serves.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
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
	from := fmt.Sprintf("%s-%x", after.Name, sha256.Sum256(content))
	pods := map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotation: from}}}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": pods}})
	if err != nil {
		return err
	}
	apps := r.client.AppsV1()
	deployments, err := apps.Deployments(r.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, item := range deployments.Items {
		if uses(item.Spec.Template.Spec, after.Name) {
			klog.InfoS("restarting", "deployment", item.Name, "secret", after.Name)
			if _, err := apps.Deployments(r.namespace).Patch(ctx, item.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
				return err
			}
		}
	}
	sets, err := apps.DaemonSets(r.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, item := range sets.Items {
		if uses(item.Spec.Template.Spec, after.Name) {
			klog.InfoS("restarting", "daemonset", item.Name, "secret", after.Name)
			if _, err := apps.DaemonSets(r.namespace).Patch(ctx, item.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// uses tells whether a pod mounts a secret or has a variable from it.
func uses(pod corev1.PodSpec, secret string) bool {
	if slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Secret != nil && v.Secret.SecretName == secret }) {
		return true
	}
	return slices.ContainsFunc(pod.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.EnvFrom, func(e corev1.EnvFromSource) bool { return e.SecretRef != nil && e.SecretRef.Name == secret }) ||
			slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
				return e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil && e.ValueFrom.SecretKeyRef.Name == secret
			})
	})
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
