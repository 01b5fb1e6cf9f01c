package controllers

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// edit fetches nothing: it remembers o as it is, and save writes what changed since, metadata and spec first.
type edit struct {
	base   *base
	object client.Object
	before client.Object
}

func (b *base) edit(o client.Object) *edit {
	return &edit{base: b, object: o, before: o.DeepCopyObject().(client.Object)}
}

// save patches the object and its status, each only if it changed. A writer that was faster makes it a conflict.
func (e *edit) save(ctx context.Context) error {
	now := e.object.DeepCopyObject().(client.Object)
	if reflect.DeepEqual(e.before, now) {
		return nil
	}
	main, err := changed(e.before, now, false)
	if err != nil {
		return err
	}
	if main {
		patched := now.DeepCopyObject().(client.Object)
		if err := e.base.Patch(ctx, patched, client.MergeFromWithOptions(e.before, client.MergeFromWithOptimisticLock{})); err != nil {
			return ignoreGone(e.object, err)
		}
		e.object.SetResourceVersion(patched.GetResourceVersion())
		e.object.SetGeneration(patched.GetGeneration())
	}
	status, err := changed(e.before, now, true)
	if err != nil || !status {
		return err
	}
	before := e.before.DeepCopyObject().(client.Object)
	before.SetResourceVersion(e.object.GetResourceVersion())
	target := now.DeepCopyObject().(client.Object)
	target.SetResourceVersion(e.object.GetResourceVersion())
	if err := e.base.Status().Patch(ctx, target, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return ignoreGone(e.object, err)
	}
	e.object.SetResourceVersion(target.GetResourceVersion())
	e.before = e.object.DeepCopyObject().(client.Object)
	return nil
}

// ignoreGone forgives that an object whose last finalizer was just taken away is not there any more.
func ignoreGone(o client.Object, err error) error {
	if !o.GetDeletionTimestamp().IsZero() && len(o.GetFinalizers()) == 0 && apierrors.IsNotFound(err) {
		return nil
	}
	if !o.GetDeletionTimestamp().IsZero() && apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// changed compares the status parts, or everything but them.
func changed(before, after client.Object, status bool) (bool, error) {
	parts := make([]map[string]any, 2)
	for i, o := range []client.Object{before, after} {
		content, err := toMap(o)
		if err != nil {
			return false, err
		}
		if status {
			parts[i] = map[string]any{"status": content["status"]}
		} else {
			delete(content, "status")
			parts[i] = content
		}
	}
	return !reflect.DeepEqual(parts[0], parts[1]), nil
}

// clusterKey maps an object to the Cluster that its label names.
func clusterKey(_ context.Context, o client.Object) []reconcile.Request {
	if name := o.GetLabels()[clusterv1.ClusterNameLabel]; name != "" {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
	}
	return nil
}

// ownerKey maps an object to its owners of one kind.
func ownerKey(kind string) func(context.Context, client.Object) []reconcile.Request {
	return func(_ context.Context, o client.Object) []reconcile.Request {
		var out []reconcile.Request
		for _, owner := range o.GetOwnerReferences() {
			if owner.Kind == kind {
				out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: owner.Name}})
			}
		}
		return out
	}
}

// listKeys maps any change to every object of a kind that has the same cluster label.
func (b *base) listKeys(list func() client.ObjectList) func(context.Context, client.Object) []reconcile.Request {
	return func(ctx context.Context, o client.Object) []reconcile.Request {
		name := o.GetLabels()[clusterv1.ClusterNameLabel]
		if _, isCluster := o.(*clusterv1.Cluster); isCluster {
			name = o.GetName()
		}
		if name == "" {
			return nil
		}
		found := list()
		if err := b.List(ctx, found, client.InNamespace(o.GetNamespace()), client.MatchingLabels{clusterv1.ClusterNameLabel: name}); err != nil {
			b.logf("list: %v", err)
			return nil
		}
		var out []reconcile.Request
		_ = meta.EachListItem(found, func(item runtimeObject) error {
			one := item.(client.Object)
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(one)})
			return nil
		})
		return out
	}
}

// owner makes an ownerReference to o. controller marks the one owner that is responsible.
func owner(o client.Object, kind schema.GroupVersionKind, controller bool) metav1.OwnerReference {
	yes := true
	reference := metav1.OwnerReference{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Name: o.GetName(), UID: o.GetUID(), BlockOwnerDeletion: &yes}
	if controller {
		reference.Controller = &yes
	}
	return reference
}

// setOwner adds or corrects the reference; a controller reference takes the place of another controller's.
func setOwner(o client.Object, reference metav1.OwnerReference) {
	var kept []metav1.OwnerReference
	for _, r := range o.GetOwnerReferences() {
		same := r.Kind == reference.Kind && r.Name == reference.Name
		replaced := reference.Controller != nil && r.Controller != nil && *r.Controller
		if !same && !replaced {
			kept = append(kept, r)
		}
	}
	o.SetOwnerReferences(append(kept, reference))
}

func setLabel(o client.Object, key, value string) {
	labels := o.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[key] = value
	o.SetLabels(labels)
}

func setAnnotation(o client.Object, key, value string) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	o.SetAnnotations(annotations)
}

// paused follows Cluster.spec.paused and the object's own annotation.
func paused(cluster *clusterv1.Cluster, o client.Object) bool {
	if cluster != nil && cluster.Spec.Paused != nil && *cluster.Spec.Paused {
		return true
	}
	_, annotated := o.GetAnnotations()[clusterv1.PausedAnnotation]
	return annotated
}

// clusterOf finds the Cluster an object belongs to, by label. Nil when it is not there.
func (b *base) clusterOf(ctx context.Context, o client.Object) (*clusterv1.Cluster, error) {
	name := o.GetLabels()[clusterv1.ClusterNameLabel]
	for _, reference := range o.GetOwnerReferences() {
		if reference.Kind == "Cluster" {
			name = reference.Name
		}
	}
	if name == "" {
		return nil, nil
	}
	cluster := &clusterv1.Cluster{}
	err := b.Get(ctx, client.ObjectKey{Namespace: o.GetNamespace(), Name: name}, cluster)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return cluster, err
}

// referenced gets the object a reference without version names.
func (b *base) referenced(ctx context.Context, namespace string, ref clusterv1.ContractVersionedObjectReference) (*unstructured.Unstructured, error) {
	mapping, err := b.RESTMapper().RESTMapping(schema.GroupKind{Group: ref.APIGroup, Kind: ref.Kind})
	if err != nil {
		return nil, err
	}
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(mapping.GroupVersionKind)
	return o, b.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, o)
}

// cloneTemplate creates the object that a …Template describes, named and owned as said.
func (b *base) cloneTemplate(ctx context.Context, namespace string, ref clusterv1.ContractVersionedObjectReference, name string, labels, annotations map[string]string, by metav1.OwnerReference) (clusterv1.ContractVersionedObjectReference, error) {
	made := clusterv1.ContractVersionedObjectReference{APIGroup: ref.APIGroup, Kind: strings.TrimSuffix(ref.Kind, "Template"), Name: name}
	template, err := b.referenced(ctx, namespace, ref)
	if err != nil {
		return made, fmt.Errorf("%s %s: %w", ref.Kind, ref.Name, err)
	}
	spec, found, err := unstructured.NestedMap(template.Object, "spec", "template", "spec")
	if err != nil || !found {
		return made, fmt.Errorf("%s %s has no spec.template.spec", ref.Kind, ref.Name)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	kind := template.GroupVersionKind()
	kind.Kind = made.Kind
	o.SetGroupVersionKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	templateLabels, _, _ := unstructured.NestedStringMap(template.Object, "spec", "template", "metadata", "labels")
	templateAnnotations, _, _ := unstructured.NestedStringMap(template.Object, "spec", "template", "metadata", "annotations")
	o.SetLabels(merged(templateLabels, labels))
	o.SetAnnotations(merged(templateAnnotations, annotations, map[string]string{
		clusterv1.TemplateClonedFromNameAnnotation:      ref.Name,
		clusterv1.TemplateClonedFromGroupKindAnnotation: ref.Kind + "." + ref.APIGroup,
	}))
	o.SetOwnerReferences([]metav1.OwnerReference{by})
	if err := b.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
		return made, err
	}
	return made, nil
}

func merged(maps ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range maps {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// event records what happened to o, as kubectl describe shows it.
func (b *base) event(o client.Object, warning bool, reason, format string, args ...any) {
	kind := corev1.EventTypeNormal
	if warning {
		kind = corev1.EventTypeWarning
	}
	b.recorder.Eventf(o, kind, reason, format, args...)
}

// suffix is five random characters, as Kubernetes appends to generated names (no vowels, no look-alikes).
func suffix() string {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789"
	out := make([]byte, 5)
	for i := range out {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			panic(err) // the kernel's random source does not fail
		}
		out[i] = alphabet[n.Int64()]
	}
	return string(out)
}
