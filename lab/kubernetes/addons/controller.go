package addons

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// delay before a look at something that is expected to change, upstream's.
	delay = 15 * time.Second
	// retry after Helm failed, upstream's.
	retry = time.Minute
)

// Reconciler acts on the addons of one kind.
type Reconciler struct {
	client.Client
	// Kind is one of Kinds.
	Kind string
	// Helm is the program. Default: helm on the PATH.
	Helm     string
	Recorder events.EventRecorder
}

// Reconcile brings one addon to where its object says.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	o := object(version, r.Kind)
	if err := r.Get(ctx, request.NamespacedName, o); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	a, err := read(o)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !o.GetDeletionTimestamp().IsZero() {
		return r.finish(ctx, o, a)
	}
	if a.Status.Phase == "" {
		if err := r.phase(ctx, o, pending, ""); err != nil {
			return ctrl.Result{}, err
		}
	}
	around, err := a.surroundings(ctx, r.Client)
	if err == nil {
		err = r.claim(ctx, o, a, around)
	}
	if err != nil {
		return r.failed(ctx, o, err)
	}
	// Bootstrap addons (network, cloud provider) are what makes nodes ready; the others wait for the cluster.
	wanted := []string{"Ready", "Available"}
	if a.Spec.Bootstrap {
		wanted = []string{"ControlPlaneInitialized"}
	}
	if !condition(around.cluster, wanted...) {
		log.FromContext(ctx).Info("cluster is not ready", "cluster", a.Spec.ClusterName)
		return ctrl.Result{RequeueAfter: delay}, nil
	}
	if a.Spec.Paused {
		return ctrl.Result{}, nil
	}
	err = r.onCluster(ctx, a, func(ctx context.Context, h helm, folder string) error {
		return r.install(ctx, o, a, around, h, folder)
	})
	if err != nil {
		return r.failed(ctx, o, err)
	}
	return ctrl.Result{}, nil
}

// claim makes the Cluster own the addon, so that it goes with it, and keeps the object until it was uninstalled.
func (r *Reconciler) claim(ctx context.Context, o *unstructured.Unstructured, a addon, around surroundings) error {
	before := o.DeepCopy()
	controllerutil.AddFinalizer(o, finalizer)
	if err := controllerutil.SetOwnerReference(around.cluster, o, r.Scheme(), controllerutil.WithBlockOwnerDeletion(true)); err != nil {
		return err
	}
	labels := map[string]string{group + "/cluster": a.Spec.ClusterName, group + "/release-namespace": a.Spec.TargetNamespace, group + "/release-name": a.release()}
	for kind, names := range a.uses(around) {
		for _, name := range names {
			labels[usesLabel(kind, name)] = ""
		}
	}
	maps.Copy(labels, o.GetLabels())
	o.SetLabels(labels)
	return r.Patch(ctx, o, client.MergeFrom(before))
}

// install makes the release what the addon says, unless it is.
func (r *Reconciler) install(ctx context.Context, o *unstructured.Unstructured, a addon, around surroundings, h helm, folder string) error {
	now, err := h.proceedable(ctx)
	if err != nil {
		return err
	}
	variables := around.variables(o)
	chart, values := filepath.Join(folder, "manifests"), map[string]any{}
	if r.Kind == "HelmRelease" {
		if values, err = a.values(ctx, r.Client, variables); err == nil {
			chart, err = h.pull(ctx, folder, a.Spec.Chart)
		}
	} else {
		err = a.chart(ctx, r.Client, variables, chart)
	}
	if err != nil {
		return err
	}
	due, err := h.due(ctx, now, chart, values)
	if err != nil {
		return err
	}
	if due {
		doing := installing
		if now != nil {
			doing = upgrading
		}
		if err := r.phase(ctx, o, doing, ""); err != nil {
			return err
		}
		if err := h.upgrade(ctx, chart, values); err != nil {
			return err
		}
		r.Recorder.Eventf(o, nil, corev1.EventTypeNormal, deployed, "Deploy", "release %s is deployed", a.release())
	}
	return r.phase(ctx, o, deployed, "")
}

// onCluster runs do with Helm for the addon's cluster and an empty folder. It ends when the addon is deleted meanwhile.
func (r *Reconciler) onCluster(ctx context.Context, a addon, do func(context.Context, helm, string) error) error {
	secret := &corev1.Secret{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: a.Spec.ClusterName + "-kubeconfig"}, secret); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "addon-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	kubeconfig := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(kubeconfig, secret.Data["value"], 0o600); err != nil {
		return err
	}
	executable := r.Helm
	if executable == "" {
		executable = "helm"
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if a.DeletionTimestamp.IsZero() {
		go r.untilDeleted(ctx, a, cancel)
	}
	return do(ctx, helm{executable: executable, kubeconfig: kubeconfig, namespace: a.Spec.TargetNamespace, release: a.release()}, folder)
}

func (r *Reconciler) untilDeleted(ctx context.Context, a addon, cancel func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Second):
		}
		o := object(version, r.Kind)
		err := r.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: a.Name}, o)
		if apierrors.IsNotFound(err) || err == nil && !o.GetDeletionTimestamp().IsZero() {
			cancel()
		}
	}
}

// finish uninstalls the release, unless the cluster goes as a whole, and lets the object go.
func (r *Reconciler) finish(ctx context.Context, o *unstructured.Unstructured, a addon) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(o, finalizer) {
		return ctrl.Result{}, nil
	}
	cluster := object("cluster.x-k8s.io/v1beta2", "Cluster")
	err := r.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: a.Spec.ClusterName}, cluster)
	if err == nil && cluster.GetDeletionTimestamp().IsZero() && !a.Spec.Paused {
		err = r.onCluster(ctx, a, func(ctx context.Context, h helm, _ string) error {
			if err := r.phase(ctx, o, uninstalling, ""); err != nil {
				return err
			}
			return h.uninstall(ctx)
		})
	}
	if client.IgnoreNotFound(err) != nil {
		log.FromContext(ctx).Error(err, "uninstall")
		return ctrl.Result{RequeueAfter: delay}, nil
	}
	before := o.DeepCopy()
	controllerutil.RemoveFinalizer(o, finalizer)
	return ctrl.Result{}, client.IgnoreNotFound(r.Patch(ctx, o, client.MergeFrom(before)))
}

// failed records what went wrong. Only what a change of the addon alone can mend makes it Failed.
func (r *Reconciler) failed(ctx context.Context, o *unstructured.Unstructured, err error) (ctrl.Result, error) {
	log.FromContext(ctx).Error(err, "addon")
	var known permanentError
	switch {
	case errors.Is(err, context.Canceled):
		return ctrl.Result{RequeueAfter: time.Second}, nil
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: delay}, nil
	case errors.As(err, &known), permanent.MatchString(err.Error()):
		r.Recorder.Eventf(o, nil, corev1.EventTypeWarning, failed, "Deploy", "%s", short(err))
		return ctrl.Result{}, r.phase(ctx, o, failed, err.Error())
	}
	r.Recorder.Eventf(o, nil, corev1.EventTypeWarning, "Retrying", "Deploy", "%s", short(err))
	return ctrl.Result{RequeueAfter: retry}, nil
}

// short fits a note of an Event, which holds 1024 bytes.
func short(err error) string { return fmt.Sprintf("%.1000s", err.Error()) }

// phase writes the status; the message is for Failed.
func (r *Reconciler) phase(ctx context.Context, o *unstructured.Unstructured, phase, message string) error {
	before := o.DeepCopy()
	status := map[string]any{"phase": phase, "failureMessage": message, "observedGeneration": o.GetGeneration()}
	if err := unstructured.SetNestedMap(o.Object, status, "status"); err != nil {
		return err
	}
	return r.Status().Patch(ctx, o, client.MergeFrom(before))
}
