package nodes

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"capi-mgmt/lab/kubernetes/logging"
	"capi-mgmt/lab/kubernetes/program"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Restart back-off. kubelet waits 10 s, doubled up to 5 min, and forgets after 10 min without a crash; a lab is looked at by
// somebody who waits, so it goes on sooner.
const (
	firstBackoff  = 2 * time.Second
	longestBack   = time.Minute
	calmAfter     = 10 * time.Minute
	configRetry   = 2 * time.Second // when a Secret or ConfigMap the environment needs is missing
	stopAtMost    = 10 * time.Second
	crashExitCode = 1
)

// supervisor runs programs for containers, and restarts those that crash.
type supervisor struct {
	settings Settings
	logs     logs
	changed  func(namespace, name string) // called after each change of a program's state
	turns    *turns

	lock    sync.Mutex
	pods    map[types.UID]*podPrograms
	closing bool
}

// podPrograms are the programs of one pod.
type podPrograms struct {
	namespace, name string
	cancel          context.CancelFunc
	workers         map[string]*worker // by container name
	running         sync.WaitGroup
}

// snapshot is the state of one program: running unless one of waiting and ended is set.
type snapshot struct {
	started  time.Time
	restarts int32
	waiting  *corev1.ContainerStateWaiting
	ended    *corev1.ContainerStateTerminated // for good: the pod's restartPolicy does not want it again
	last     *corev1.ContainerStateTerminated // the crash before this run
}

// worker is one program and its state.
type worker struct {
	lock  sync.Mutex
	state snapshot
}

func (w *worker) snapshot() snapshot {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.state
}

func newSupervisor(settings Settings, changed func(namespace, name string)) *supervisor {
	return &supervisor{settings: settings, logs: logs{settings.LogDir}, changed: changed, turns: newTurns(), pods: map[types.UID]*podPrograms{}}
}

// ensure starts the programs of a pod that are not running yet and tells the state of each by container name.
func (s *supervisor) ensure(pod *corev1.Pod) map[string]snapshot {
	s.lock.Lock()
	defer s.lock.Unlock()
	programs := s.pods[pod.UID]
	if programs == nil {
		matched := s.match(pod)
		if len(matched) == 0 || s.closing {
			return nil
		}
		for uid, old := range s.pods { // deleted by force, and made again under the same name
			if old.namespace == pod.Namespace && old.name == pod.Name {
				old.cancel()
				delete(s.pods, uid)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		programs = &podPrograms{namespace: pod.Namespace, name: pod.Name, cancel: cancel, workers: map[string]*worker{}}
		s.pods[pod.UID] = programs
		for _, container := range pod.Spec.Containers {
			acts := matched[container.Name]
			if acts == nil {
				continue
			}
			w := &worker{state: snapshot{waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}
			for _, old := range pod.Status.ContainerStatuses { // from before this server started
				if old.Name == container.Name {
					w.state.restarts, w.state.last = old.RestartCount, old.LastTerminationState.Terminated
				}
			}
			programs.workers[container.Name] = w
			programs.running.Go(func() { s.keepRunning(ctx, w, acts, pod.DeepCopy(), container) })
		}
	}
	states := map[string]snapshot{}
	for name, w := range programs.workers {
		states[name] = w.snapshot()
	}
	return states
}

func (s *supervisor) match(pod *corev1.Pod) map[string]program.Program {
	matched := map[string]program.Program{}
	for _, container := range pod.Spec.Containers {
		for _, candidate := range s.settings.Programs {
			if candidate.Match(pod, container) {
				matched[container.Name] = candidate
				break
			}
		}
	}
	return matched
}

// keepRunning runs a program until ctx ends, again after each crash.
func (s *supervisor) keepRunning(ctx context.Context, w *worker, acts program.Program, pod *corev1.Pod, container corev1.Container) {
	backoff := time.Duration(0) // the first restart is immediate, as kubelet's
	for ctx.Err() == nil {
		env, err := s.environment(ctx, pod, container)
		if err != nil {
			s.set(ctx, w, pod, func(state *snapshot) {
				state.waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: err.Error()}
			})
			sleep(ctx, configRetry)
			continue
		}
		output, err := s.logs.create(pod.Namespace, pod.Name, container.Name)
		if err != nil {
			logging.Warnf("log of container %s of pod %s/%s: %v", container.Name, pod.Namespace, pod.Name, err)
			sleep(ctx, configRetry)
			continue
		}
		env.Log = output
		began := time.Now()
		s.set(ctx, w, pod, func(state *snapshot) { state.started, state.waiting = began, nil })
		err = runOnce(ctx, acts, env)
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(output, "the program ended: %v\n", err)
		}
		output.Close()
		if ctx.Err() != nil {
			return
		}
		ended := &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: metav1.NewTime(began), FinishedAt: metav1.Now()}
		if err != nil {
			ended.ExitCode, ended.Reason, ended.Message = crashExitCode, "Error", err.Error()
		}
		if pod.Spec.RestartPolicy == corev1.RestartPolicyNever || (pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure && err == nil) {
			s.set(ctx, w, pod, func(state *snapshot) { state.ended = ended })
			return
		}
		logging.Warnf("container %s of pod %s/%s ended, restarting: %v", container.Name, pod.Namespace, pod.Name, err)
		if time.Since(began) > calmAfter {
			backoff = 0
		}
		s.set(ctx, w, pod, func(state *snapshot) {
			state.last = ended
			state.waiting = &corev1.ContainerStateWaiting{
				Reason:  "CrashLoopBackOff",
				Message: fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)", backoff, container.Name, pod.Name, pod.Namespace, pod.UID),
			}
		})
		sleep(ctx, backoff)
		backoff = min(max(2*backoff, firstBackoff), longestBack)
		s.set(ctx, w, pod, func(state *snapshot) { state.restarts++ })
	}
}

// runOnce runs a program, taking a panic and an early end for errors.
func runOnce(ctx context.Context, acts program.Program, env program.Env) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			fmt.Fprintf(env.Log, "panic: %v\n%s", reason, debug.Stack())
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	err = acts.Run(ctx, env)
	if err == nil && ctx.Err() == nil && env.Pod.Spec.RestartPolicy == corev1.RestartPolicyAlways {
		err = fmt.Errorf("ended by itself")
	}
	return err
}

func (s *supervisor) set(ctx context.Context, w *worker, pod *corev1.Pod, change func(*snapshot)) {
	w.lock.Lock()
	change(&w.state)
	w.lock.Unlock()
	if ctx.Err() == nil {
		s.changed(pod.Namespace, pod.Name)
	}
}

// forget ends a pod's programs, waits for them and drops their logs. uid nil means whatever pod had that name.
func (s *supervisor) forget(namespace, name string, uid *types.UID) {
	s.lock.Lock()
	var found []*podPrograms
	for id, programs := range s.pods {
		if programs.namespace == namespace && programs.name == name && (uid == nil || *uid == id) {
			found = append(found, programs)
			delete(s.pods, id)
		}
	}
	s.lock.Unlock()
	for _, programs := range found {
		programs.stop(stopAtMost)
	}
	if uid == nil {
		s.logs.remove(namespace, name)
	}
}

// stopAll ends every program for good, side by side.
func (s *supervisor) stopAll(limit time.Duration) {
	s.lock.Lock()
	s.closing = true
	all := s.pods
	s.pods = map[types.UID]*podPrograms{}
	s.lock.Unlock()
	var stopping sync.WaitGroup
	for _, programs := range all {
		stopping.Go(func() { programs.stop(limit) })
	}
	stopping.Wait()
}

func (p *podPrograms) stop(limit time.Duration) {
	p.cancel()
	ended := make(chan struct{})
	go func() { p.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(limit):
		logging.Warnf("the programs of pod %s/%s did not end within %s", p.namespace, p.name, limit)
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
