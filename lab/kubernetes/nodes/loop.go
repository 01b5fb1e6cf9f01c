// Package nodes plays the kubelets: it keeps nodes Ready, brings pods to the state their containers would reach, provisions
// volumes as objects, serves logs, and runs programs in place of known containers.
// Upstream analogue: kubelet with its container runtime, local-path-provisioner and the Cinder CSI driver's controller.
package nodes

import (
	"context"
	"strings"
	"sync"
	"time"

	"capi-mgmt/lab/kubernetes/logging"
	"capi-mgmt/lab/kubernetes/options"
	"capi-mgmt/lab/kubernetes/program"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// Annotations by which somebody outside directs the loop.
const (
	prefix = "lab.capi-mgmt/"
	// AnnotationKubeletVersion on a Node: the version its kubelet reports. Without it, what the Node's status said when it
	// was created, else this server's version.
	AnnotationKubeletVersion = prefix + "kubelet-version"
	// AnnotationNotReady on a Node: its value is the message of a Ready condition that is False.
	AnnotationNotReady = prefix + "not-ready"
	// AnnotationKubeletStopped on a Node ("true"): no lease and no status any more, as after a power failure; the controller
	// manager then marks the node Unknown within about a minute.
	AnnotationKubeletStopped = prefix + "kubelet-stopped"
	// AnnotationRunSeconds on a Pod: it ends by itself after so long. Default: 2 for restartPolicy Never and OnFailure, else never.
	AnnotationRunSeconds = prefix + "run-seconds"
	// AnnotationExitCode on a Pod that ends: the exit code of its containers. Default 0.
	AnnotationExitCode = prefix + "exit-code"
	// AnnotationWaiting on a Pod: its containers never start, with this reason (for example ImagePullBackOff).
	AnnotationWaiting = prefix + "waiting"
)

// workers is how many objects are looked at side by side.
const workers = 4

// Settings is what a loop needs of its server.
type Settings struct {
	Server   *options.Server
	Admin    *rest.Config // reaches this server's API as system:masters
	Client   kubernetes.Interface
	Programs []program.Program
	LogDir   string

	ServingCert, ServingKey string // of the kubelet stand-in
	ClientCA                string // whose certificates it accepts
}

// Loop is the node loop of one server.
type Loop struct {
	Settings
	queue     workqueue.TypedRateLimitingInterface[item]
	addresses *addresses
	programs  *supervisor
	leases    map[string]*leaseHolder // by node name; only touched by the lease goroutine
	booted    metav1.Time

	nodes, pods, claims, volumes, attachments cache.SharedIndexInformer
}

// item names an object in the queue.
type item struct{ kind, key string }

// New makes a loop; Run starts it.
func New(settings Settings) *Loop {
	loop := &Loop{
		Settings:  settings,
		queue:     workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[item]()),
		addresses: newAddresses(),
		leases:    map[string]*leaseHolder{},
		booted:    metav1.NewTime(time.Now().Truncate(time.Second)), // the API keeps whole seconds
	}
	loop.programs = newSupervisor(settings, func(namespace, name string) { loop.queue.Add(item{"pod", namespace + "/" + name}) })
	factory := informers.NewSharedInformerFactory(settings.Client, 0)
	scheduled := informers.NewSharedInformerFactoryWithOptions(settings.Client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
	}))
	loop.nodes = factory.Core().V1().Nodes().Informer()
	loop.pods = scheduled.Core().V1().Pods().Informer()
	loop.claims = factory.Core().V1().PersistentVolumeClaims().Informer()
	loop.volumes = factory.Core().V1().PersistentVolumes().Informer()
	loop.attachments = factory.Storage().V1().VolumeAttachments().Informer()
	return loop
}

// Run plays the kubelets until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	if err := l.serveKubelet(ctx); err != nil {
		return err
	}
	if l.Server.ControlPlane == nil {
		if err := l.registerNode(ctx); err != nil {
			return err
		}
	}
	if !l.Server.IsDisabled("local-storage") {
		if err := l.ensureLocalPathClass(ctx); err != nil {
			return err
		}
	}
	for kind, informer := range map[string]cache.SharedIndexInformer{
		"node": l.nodes, "pod": l.pods, "claim": l.claims, "volume": l.volumes, "attachment": l.attachments,
	} {
		add := func(object any) {
			if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
				l.queue.Add(item{kind, key})
			}
		}
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: add, UpdateFunc: func(_, object any) { add(object) }, DeleteFunc: add,
		}); err != nil {
			return err
		}
		go informer.RunWithContext(ctx)
	}
	if !cache.WaitForCacheSync(ctx.Done(), l.nodes.HasSynced, l.pods.HasSynced, l.claims.HasSynced, l.volumes.HasSynced, l.attachments.HasSynced) {
		return nil // ctx ended
	}
	for _, object := range l.pods.GetStore().List() {
		l.addresses.remember(object.(*corev1.Pod))
	}
	var running sync.WaitGroup
	running.Go(func() { l.keepLeases(ctx) })
	for range workers {
		running.Go(func() {
			for l.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	l.queue.ShutDown()
	running.Wait()
	return nil
}

// StopPrograms ends all container programs and waits for them, for limit at most.
func (l *Loop) StopPrograms(limit time.Duration) { l.programs.stopAll(limit) }

// next takes one object from the queue and brings it a step further. It says false when the queue is shut down.
func (l *Loop) next(ctx context.Context) bool {
	object, quit := l.queue.Get()
	if quit {
		return false
	}
	defer l.queue.Done(object)
	again, err := l.sync(ctx, object)
	switch {
	case err != nil && !apierrors.IsNotFound(err):
		if ctx.Err() == nil && !apierrors.IsConflict(err) {
			logging.Warnf("%s %s: %v", object.kind, object.key, err)
		}
		l.queue.AddRateLimited(object)
	case again > 0:
		l.queue.Forget(object)
		l.queue.AddAfter(object, again)
	default:
		l.queue.Forget(object)
	}
	return true
}

// sync looks at one object. again is when to look at it next without an event, or 0.
func (l *Loop) sync(ctx context.Context, object item) (again time.Duration, err error) {
	informer := map[string]cache.SharedIndexInformer{
		"node": l.nodes, "pod": l.pods, "claim": l.claims, "volume": l.volumes, "attachment": l.attachments,
	}[object.kind]
	found, exists, err := informer.GetStore().GetByKey(object.key)
	if err != nil {
		return 0, err
	}
	if !exists {
		switch object.kind {
		case "pod":
			namespace, name, _ := strings.Cut(object.key, "/")
			l.programs.forget(namespace, name, nil)
			l.addresses.release(object.key)
		case "node":
			return 0, l.removePodsOf(ctx, object.key)
		}
		return 0, nil
	}
	switch typed := found.(type) {
	case *corev1.Node:
		return l.syncNode(ctx, typed.DeepCopy())
	case *corev1.Pod:
		return l.syncPod(ctx, typed.DeepCopy())
	case *corev1.PersistentVolumeClaim:
		return 0, l.syncClaim(ctx, typed)
	case *corev1.PersistentVolume:
		return 0, l.syncVolume(ctx, typed)
	case *storagev1.VolumeAttachment:
		return 0, l.syncAttachment(ctx, typed.DeepCopy())
	}
	return 0, nil
}

// plays says whether this loop is the kubelet of the node: of its own node in k3s, of every node in a workload cluster,
// whose Node objects its Cluster API controller makes.
func (l *Loop) plays(node string) bool {
	return l.Server.ControlPlane != nil || node == l.Server.NodeName
}
