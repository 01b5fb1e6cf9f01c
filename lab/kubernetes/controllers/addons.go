package controllers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/yaml"
)

var (
	helmReleaseKind = schema.GroupVersionKind{Group: "addons.stackhpc.com", Version: "v1alpha1", Kind: "HelmRelease"}
	manifestsKind   = schema.GroupVersionKind{Group: "addons.stackhpc.com", Version: "v1alpha1", Kind: "Manifests"}
)

const (
	addonFinalizer = "addons.stackhpc.com/finalizer"
	// addonLabel marks, inside the cluster, what an addon made there.
	addonLabel = "addons.stackhpc.com/addon"
)

// addonController installs addons into clusters: for a HelmRelease the workloads its chart would make, for Manifests the
// objects written in their sources. Upstream analogue: azimuth-cloud's cluster-api-addon-provider.
type addonController struct {
	*base
	kind schema.GroupVersionKind
}

func (c addonController) reconcile(ctx context.Context, request ctrl.Request) (time.Duration, error) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(c.kind)
	if err := c.Get(ctx, request.NamespacedName, o); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	clusterName, _, _ := unstructured.NestedString(o.Object, "spec", "clusterName")
	cluster := &clusterv1.Cluster{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: o.GetNamespace(), Name: clusterName}, cluster); apierrors.IsNotFound(err) {
		cluster = nil
	} else if err != nil {
		return 0, err
	}
	e := c.edit(o)
	if !o.GetDeletionTimestamp().IsZero() {
		return c.delete(ctx, e, o, cluster)
	}
	if cluster == nil {
		return 2 * time.Second, c.phase(ctx, e, o, "Pending", "Cluster "+clusterName+" does not exist")
	}
	controllerutil.AddFinalizer(o, addonFinalizer)
	setOwner(o, owner(cluster, clusterv1.GroupVersion.WithKind("Cluster"), false))
	setLabel(o, "addons.stackhpc.com/cluster", cluster.Name)
	if paused(cluster, o) {
		return 0, e.save(ctx)
	}
	// Addons marked bootstrap (network, cloud provider) are what makes nodes ready; the others wait for the cluster.
	bootstrap, _, _ := unstructured.NestedBool(o.Object, "spec", "bootstrap")
	if initialized := cluster.Status.Initialization.ControlPlaneInitialized; initialized == nil || !*initialized {
		return time.Second, c.phase(ctx, e, o, "Pending", "Waiting for the control plane")
	}
	if !bootstrap && cluster.Status.ControlPlane != nil && value(cluster.Status.ControlPlane.ReadyReplicas) == 0 {
		return time.Second, c.phase(ctx, e, o, "Pending", "Waiting for a ready control plane node")
	}
	remote, err := c.workload.get(ctx, cluster)
	if err != nil {
		return c.pace.poll(ctx), c.phase(ctx, e, o, "Pending", err.Error())
	}
	doing := "Installing"
	if phase := addonPhase(o); phase == "Deployed" || phase == "Upgrading" {
		doing = "Upgrading"
	}
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	if addonPhase(o) == "Deployed" && observed == o.GetGeneration() {
		return time.Minute, e.save(ctx)
	}
	if fault := c.profile.get(ctx).Faults.Addon; fault != "" && strings.Contains(o.GetName(), fault) {
		text := "Installation failed, as the lab's profile asks"
		c.event(o, true, "Failed", "%s", text)
		return 5 * time.Second, c.phase(ctx, e, o, "Failed", text)
	}
	if err := c.phase(ctx, e, o, doing, ""); err != nil {
		return 0, err
	}
	if left := c.pace.left(ctx, string(o.GetUID())+fmt.Sprint(o.GetGeneration()), stepAddon); left > 0 {
		return left, nil
	}
	e = c.edit(o)
	problem, err := c.install(ctx, remote, o)
	if err != nil {
		c.event(o, true, "Failed", "%v", err)
		if saved := c.phase(ctx, e, o, "Failed", err.Error()); saved != nil {
			return 0, saved
		}
		return 0, err
	}
	if problem != "" {
		return c.pace.poll(ctx), c.phase(ctx, e, o, doing, problem)
	}
	c.event(o, false, "Deployed", "%s %s is deployed", c.kind.Kind, o.GetName())
	if err := unstructured.SetNestedField(o.Object, o.GetGeneration(), "status", "observedGeneration"); err != nil {
		return 0, err
	}
	return time.Minute, c.phase(ctx, e, o, "Deployed", "")
}

func addonPhase(o *unstructured.Unstructured) string {
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	return phase
}

// phase saves the object with a phase and, when there is one, the message of failureMessage.
func (c addonController) phase(ctx context.Context, e *edit, o *unstructured.Unstructured, phase, text string) error {
	if err := unstructured.SetNestedField(o.Object, phase, "status", "phase"); err != nil {
		return err
	}
	if text == "" {
		unstructured.RemoveNestedField(o.Object, "status", "failureMessage")
	} else if err := unstructured.SetNestedField(o.Object, text, "status", "failureMessage"); err != nil {
		return err
	}
	return e.save(ctx)
}

// install makes the addon's objects and says what is not ready yet.
func (c addonController) install(ctx context.Context, remote client.Client, o *unstructured.Unstructured) (string, error) {
	labels := map[string]string{addonLabel: o.GetName()}
	if c.kind == manifestsKind {
		objects, err := c.manifests(ctx, o)
		if err != nil {
			return "", err
		}
		for _, object := range objects {
			object.SetLabels(merged(object.GetLabels(), labels))
			if err := ensureNamespace(ctx, remote, object.GetNamespace()); err != nil {
				return "", err
			}
			data, err := object.MarshalJSON()
			if err != nil {
				return "", err
			}
			if err := remote.Patch(ctx, object, client.RawPatch("application/apply-patch+yaml", data), client.FieldOwner("cluster-api-addon-provider"), client.ForceOwnership); err != nil {
				return "", fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
			}
		}
		return "", nil
	}
	chart, _, _ := unstructured.NestedString(o.Object, "spec", "chart", "name")
	release, _, _ := unstructured.NestedString(o.Object, "spec", "releaseName")
	if release == "" {
		release = o.GetName()
	}
	namespace, _, _ := unstructured.NestedString(o.Object, "spec", "targetNamespace")
	if err := c.checkValues(ctx, o); err != nil {
		return "", err
	}
	var problems []string
	for _, w := range workloadsOf(chart, release) {
		if w.namespace == "" {
			w.namespace = namespace
		}
		if err := ensureNamespace(ctx, remote, w.namespace); err != nil {
			return "", err
		}
		labels["app.kubernetes.io/managed-by"], labels["app.kubernetes.io/instance"] = "Helm", release
		object := w.object(labels)
		if err := remote.Create(ctx, object); apierrors.IsAlreadyExists(err) {
			if err := remote.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
				return "", err
			}
		} else if err != nil {
			return "", fmt.Errorf("%s %s: %w", w.kind, w.name, err)
		}
		if problem := workloadProblem(object); problem != "" {
			problems = append(problems, problem)
		}
	}
	return strings.Join(problems, "; "), nil
}

// checkValues reads what the chart's values come from, as the real one must: a missing secret or broken YAML fails.
func (c addonController) checkValues(ctx context.Context, o *unstructured.Unstructured) error {
	sources, _, _ := unstructured.NestedSlice(o.Object, "spec", "valuesSources")
	for _, item := range sources {
		source, _ := item.(map[string]any)
		text, err := c.sourceText(ctx, o.GetNamespace(), source)
		if err != nil {
			return err
		}
		values := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &values); err != nil {
			return fmt.Errorf("valuesSources: %w", err)
		}
	}
	return nil
}

// sourceText reads one source: {secret|configMap: {name, key}} or {template: text}.
func (c addonController) sourceText(ctx context.Context, namespace string, source map[string]any) (string, error) {
	if text, ok := source["template"].(string); ok {
		if strings.Contains(text, "{{") || strings.Contains(text, "{%") {
			return "", errors.New("templates with expressions are not implemented here")
		}
		return text, nil
	}
	read := func(field string) (string, string, bool) {
		reference, ok := source[field].(map[string]any)
		if !ok {
			return "", "", false
		}
		key, _ := reference["key"].(string)
		return fmt.Sprint(reference["name"]), key, true
	}
	collect := func(data map[string]string, key, what string) (string, error) {
		if key == "" {
			var all []string
			for _, k := range sortedKeys(data) {
				all = append(all, data[k])
			}
			return strings.Join(all, "\n---\n"), nil
		}
		text, ok := data[key]
		if !ok {
			return "", fmt.Errorf("%s has no key %s", what, key)
		}
		return text, nil
	}
	if name, key, ok := read("secret"); ok {
		secret := &corev1.Secret{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret); err != nil {
			return "", err
		}
		data := map[string]string{}
		for k, v := range secret.Data {
			data[k] = string(v)
		}
		return collect(data, key, "secret "+name)
	}
	if name, key, ok := read("configMap"); ok {
		config := &corev1.ConfigMap{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, config); err != nil {
			return "", err
		}
		return collect(config.Data, key, "configMap "+name)
	}
	return "", fmt.Errorf("source with %v (legal: secret, configMap, template)", sortedKeys(source))
}

func (c addonController) manifests(ctx context.Context, o *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	target, _, _ := unstructured.NestedString(o.Object, "spec", "targetNamespace")
	sources, _, _ := unstructured.NestedSlice(o.Object, "spec", "manifestSources")
	var out []*unstructured.Unstructured
	for _, item := range sources {
		source, _ := item.(map[string]any)
		text, err := c.sourceText(ctx, o.GetNamespace(), source)
		if err != nil {
			return nil, err
		}
		decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
		for {
			object := &unstructured.Unstructured{}
			err := decoder.Decode(&object.Object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			if len(object.Object) == 0 {
				continue
			}
			if object.GetNamespace() == "" && !clusterScoped[object.GetKind()] {
				object.SetNamespace(target)
			}
			out = append(out, object)
		}
	}
	return out, nil
}

// clusterScoped kinds get no namespace from the addon.
var clusterScoped = map[string]bool{"StorageClass": true, "Namespace": true, "ClusterRole": true, "ClusterRoleBinding": true, "PriorityClass": true,
	"VolumeSnapshotClass": true, "CustomResourceDefinition": true, "GlobalNetworkPolicy": true}

func ensureNamespace(ctx context.Context, remote client.Client, name string) error {
	if name == "" {
		return nil
	}
	err := remote.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// delete takes the addon's workloads out of the cluster, unless the cluster goes as a whole.
func (c addonController) delete(ctx context.Context, e *edit, o *unstructured.Unstructured, cluster *clusterv1.Cluster) (time.Duration, error) {
	if cluster != nil && cluster.DeletionTimestamp.IsZero() {
		remote, err := c.workload.get(ctx, cluster)
		if err == nil {
			for _, list := range []client.ObjectList{&appsv1.DeploymentList{}, &appsv1.DaemonSetList{}, &appsv1.StatefulSetList{}, &corev1.ConfigMapList{}, &corev1.SecretList{}} {
				if err := remote.List(ctx, list, client.MatchingLabels{addonLabel: o.GetName()}); err != nil {
					return 0, err
				}
				if err := meta.EachListItem(list, func(item runtimeObject) error {
					return client.IgnoreNotFound(remote.Delete(ctx, item.(client.Object), client.PropagationPolicy(metav1.DeletePropagationBackground)))
				}); err != nil {
					return 0, err
				}
			}
		} else if meta.IsStatusConditionTrue(cluster.GetConditions(), clusterv1.ClusterRemoteConnectionProbeCondition) {
			return c.pace.poll(ctx), nil // it was there just now
		}
	}
	controllerutil.RemoveFinalizer(o, addonFinalizer)
	return 0, e.save(ctx)
}
