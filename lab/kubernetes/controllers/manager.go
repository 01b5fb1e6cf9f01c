package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"capi-mgmt/lab/kubernetes/program"
)

// base is what every controller works with. Reads go straight to the API server, not to a cache: a list that lags
// behind what was just created would make a controller create it again. Caches only tell when to look.
type base struct {
	client.Client
	recorder record.EventRecorder
	profile  *profileSource
	pace     *pace
	workload *workloadClients
	logf     func(format string, args ...any)
}

// wait is returned (as an error) by a step that has to be looked at again later; the reconcile is not a failure.
type wait struct{ after time.Duration }

func (w wait) Error() string { return fmt.Sprintf("look again in %s", w.after) }

// controllerProgram is a Program that runs the controllers of one upstream manager.
type controllerProgram struct {
	name string
	// images are parts of image names; the first container that has one of them is the manager.
	images []string
	// setup adds the manager's controllers.
	setup func(ctx context.Context, m manager.Manager, b *base) error
	// prepare, if set, does what the real program does before its controllers start.
	prepare func(ctx context.Context, b *base) error
}

// Match looks at the image's name without its registry, so that mirrored images are recognised too.
func (p controllerProgram) Match(_ *corev1.Pod, container corev1.Container) bool {
	repository, _, _ := strings.Cut(container.Image, "@")
	if slash, colon := strings.LastIndex(repository, "/"), strings.LastIndex(repository, ":"); colon > slash {
		repository = repository[:colon]
	}
	for _, image := range p.images {
		if repository == image || strings.HasSuffix(repository, "/"+image) {
			return true
		}
	}
	return false
}

// Run leads, then runs the controllers until ctx ends.
func (p controllerProgram) Run(ctx context.Context, env program.Env) error {
	logf := func(format string, args ...any) {
		fmt.Fprintf(env.Log, "%s %s: %s\n", time.Now().Format(time.RFC3339), p.name, fmt.Sprintf(format, args...))
	}
	work := func(ctx context.Context) error {
		return p.work(ctx, env.Config, env.Environ["LAB_PROFILE_URL"], logf)
	}
	if env.Lead == nil {
		return work(ctx)
	}
	return env.Lead(ctx, work)
}

func (p controllerProgram) work(ctx context.Context, cfg *rest.Config, profileURL string, logf func(string, ...any)) error {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.Burst = 100, 200
	direct, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	log := funcr.New(func(prefix, args string) { logf("%s %s", prefix, args) }, funcr.Options{})
	m, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:                 scheme,
		Logger:                 log,
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		// Several of these managers live in one process, and each may be started again.
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
		NewClient:  func(*rest.Config, client.Options) (client.Client, error) { return direct, nil },
	})
	if err != nil {
		return err
	}
	profile := newProfileSource(profileURL, logf)
	b := &base{
		Client:   direct,
		recorder: m.GetEventRecorderFor(p.name), //nolint:staticcheck // core/v1 Events are what kubectl describe shows
		profile:  profile,
		pace:     newPace(profile),
		workload: newWorkloadClients(direct),
		logf:     logf,
	}
	if p.prepare != nil {
		if err := p.prepare(ctx, b); err != nil {
			return err
		}
	}
	if err := p.setup(ctx, m, b); err != nil {
		return err
	}
	logf("started")
	return m.Start(ctx)
}

// watch is a kind whose changes make a controller look at other objects.
type watch struct {
	kind client.Object
	to   func(ctx context.Context, o client.Object) []reconcile.Request
}

// add registers a controller for kind. concurrent is how many objects are worked on at once.
func (b *base) add(m manager.Manager, name string, kind client.Object, concurrent int, do func(context.Context, ctrl.Request) (time.Duration, error), watches ...watch) error {
	build := ctrl.NewControllerManagedBy(m).Named(name).For(kind).WithOptions(controller.Options{
		MaxConcurrentReconciles: concurrent,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](200*time.Millisecond, 15*time.Second),
	})
	for _, w := range watches {
		build = build.Watches(w.kind, handler.EnqueueRequestsFromMapFunc(w.to), builder.WithPredicates())
	}
	return build.Complete(reconcile.Func(func(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
		after, err := do(ctx, request)
		var pause wait
		switch {
		case errors.As(err, &pause):
			return ctrl.Result{RequeueAfter: max(pause.after, 50*time.Millisecond)}, nil
		case apierrors.IsConflict(err): // somebody else wrote first: look again, nothing is wrong
			return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
		case err != nil:
			b.logf("%s %s: %v", name, request, err)
			return ctrl.Result{}, err
		}
		return ctrl.Result{RequeueAfter: after}, nil
	}))
}
