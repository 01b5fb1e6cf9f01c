package addons

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
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

// reconciler acts on the addons of one kind.
type reconciler struct {
	client.Client
	kind     string
	helm     string // the program
	recorder events.EventRecorder
}

// Reconcile brings one addon to where its object says.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	o := object(version, r.kind)
	if err := r.Get(ctx, request.NamespacedName, o); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	var a addon
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &a); err != nil {
		return ctrl.Result{}, err
	}
	if !a.DeletionTimestamp.IsZero() {
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
		return ctrl.Result{RequeueAfter: delay}, nil
	}
	if a.Spec.Paused {
		return ctrl.Result{}, nil
	}
	if err := r.onCluster(ctx, a, func(ctx context.Context, h helm, folder string) error {
		return r.install(ctx, o, a, around, h, folder)
	}); err != nil {
		return r.failed(ctx, o, err)
	}
	return ctrl.Result{}, nil
}

// claim makes the Cluster own the addon, so that it goes with it, and keeps the object until it was uninstalled.
func (r *reconciler) claim(ctx context.Context, o *unstructured.Unstructured, a addon, around surroundings) error {
	before := o.DeepCopy()
	controllerutil.AddFinalizer(o, finalizer)
	if err := controllerutil.SetOwnerReference(around.cluster, o, r.Scheme(), controllerutil.WithBlockOwnerDeletion(true)); err != nil {
		return err
	}
	labels := map[string]string{group + "/cluster": a.Spec.ClusterName}
	for _, secret := range a.uses(around) {
		labels[usesLabel(secret)] = ""
	}
	maps.Copy(labels, o.GetLabels())
	o.SetLabels(labels)
	return r.Patch(ctx, o, client.MergeFrom(before))
}

// install makes the release what the addon says, unless it is.
func (r *reconciler) install(ctx context.Context, o *unstructured.Unstructured, a addon, around surroundings, h helm, folder string) error {
	wanted, err := a.content(ctx, r.Client, around.variables(o))
	if err != nil {
		return err
	}
	digest, err := wanted.digest()
	if err != nil {
		return err
	}
	now, err := h.current(ctx)
	if err != nil {
		return err
	}
	if now.Status == "deployed" && now.Description == digest {
		return r.phase(ctx, o, deployed, "")
	}
	chart := filepath.Join(folder, "manifests")
	if r.kind == "HelmRelease" {
		chart, err = h.pull(ctx, folder, a.Spec.Chart)
	} else {
		err = wanted.writeChart(chart, a.Spec.ReleaseName)
	}
	if err != nil {
		return err
	}
	doing := installing
	if now.Status != "" {
		doing = upgrading
	}
	if err := r.phase(ctx, o, doing, ""); err != nil {
		return err
	}
	if err := h.upgrade(ctx, chart, wanted.Values, digest); err != nil {
		return err
	}
	r.recorder.Eventf(o, nil, corev1.EventTypeNormal, deployed, "Deploy", "release %s is deployed", a.Spec.ReleaseName)
	return r.phase(ctx, o, deployed, "")
}

// onCluster runs do with Helm for the addon's cluster and an empty folder. It ends when the addon is deleted meanwhile.
func (r *reconciler) onCluster(ctx context.Context, a addon, do func(context.Context, helm, string) error) error {
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if a.DeletionTimestamp.IsZero() {
		go wait.UntilWithContext(ctx, func(ctx context.Context) {
			o := object(version, r.kind)
			err := r.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: a.Name}, o)
			if apierrors.IsNotFound(err) || err == nil && !o.GetDeletionTimestamp().IsZero() {
				cancel()
			}
		}, 5*time.Second)
	}
	return do(ctx, helm{executable: r.helm, kubeconfig: kubeconfig, namespace: a.Spec.TargetNamespace, release: a.Spec.ReleaseName}, folder)
}

// finish uninstalls the release, unless the cluster goes as a whole, and lets the object go.
func (r *reconciler) finish(ctx context.Context, o *unstructured.Unstructured, a addon) (ctrl.Result, error) {
	before := o.DeepCopy()
	if !controllerutil.RemoveFinalizer(o, finalizer) {
		return ctrl.Result{}, nil
	}
	of := cluster()
	err := r.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: a.Spec.ClusterName}, of)
	if err == nil && of.GetDeletionTimestamp().IsZero() && !a.Spec.Paused {
		err = r.onCluster(ctx, a, func(ctx context.Context, h helm, _ string) error {
			if err := r.phase(ctx, before.DeepCopy(), uninstalling, ""); err != nil {
				return err
			}
			return h.uninstall(ctx)
		})
	}
	if client.IgnoreNotFound(err) != nil {
		log.FromContext(ctx).Error(err, "uninstall")
		return ctrl.Result{RequeueAfter: delay}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.Patch(ctx, o, client.MergeFrom(before)))
}

// failed records what went wrong. Only what a change of the addon alone can mend makes it Failed.
func (r *reconciler) failed(ctx context.Context, o *unstructured.Unstructured, err error) (ctrl.Result, error) {
	log.FromContext(ctx).Error(err, "addon")
	const note = "%.1000s" // an Event's holds 1024 bytes
	var known permanentError
	switch {
	case errors.Is(err, context.Canceled):
		return ctrl.Result{RequeueAfter: time.Second}, nil
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: delay}, nil
	case errors.As(err, &known), permanent.MatchString(err.Error()):
		r.recorder.Eventf(o, nil, corev1.EventTypeWarning, failed, "Deploy", note, err.Error())
		return ctrl.Result{}, r.phase(ctx, o, failed, err.Error())
	}
	r.recorder.Eventf(o, nil, corev1.EventTypeWarning, "Retrying", "Deploy", note, err.Error())
	return ctrl.Result{RequeueAfter: retry}, nil
}

// phase writes the status; the message is for Failed.
func (r *reconciler) phase(ctx context.Context, o *unstructured.Unstructured, phase, message string) error {
	before := o.DeepCopy()
	status := map[string]any{"phase": phase, "failureMessage": message, "observedGeneration": o.GetGeneration()}
	if err := unstructured.SetNestedMap(o.Object, status, "status"); err != nil {
		return err
	}
	return r.Status().Patch(ctx, o, client.MergeFrom(before))
}
