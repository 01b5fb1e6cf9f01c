package nodes

import (
	"errors"
	"io"
	"testing"
	"time"

	"capi-mgmt/lab/kubernetes/program"

	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
)

func podWith(policy corev1.RestartPolicy, annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u", Annotations: annotations},
		Spec:       corev1.PodSpec{RestartPolicy: policy, Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		Status:     corev1.PodStatus{StartTime: ptr.To(metav1.NewTime(time.Unix(1000, 0)))},
	}
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func TestPhases(t *testing.T) {
	for _, test := range []struct {
		name        string
		policy      corev1.RestartPolicy
		annotations map[string]string
		after       time.Duration // since the pod's start
		phase       corev1.PodPhase
		ready       bool
		again       time.Duration
		exitCode    int32
	}{
		{"serves for ever", corev1.RestartPolicyAlways, nil, time.Hour, corev1.PodRunning, true, 0, 0},
		{"job at work", corev1.RestartPolicyNever, nil, 500 * time.Millisecond, corev1.PodRunning, true, 1500 * time.Millisecond, 0},
		{"job done", corev1.RestartPolicyOnFailure, nil, 2 * time.Second, corev1.PodSucceeded, false, 0, 0},
		{"job told to fail", corev1.RestartPolicyNever, map[string]string{AnnotationExitCode: "3", AnnotationRunSeconds: "0.5"}, time.Second, corev1.PodFailed, false, 0, 3},
		{"image not found", corev1.RestartPolicyAlways, map[string]string{AnnotationWaiting: "ImagePullBackOff"}, time.Hour, corev1.PodPending, false, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := podWith(test.policy, test.annotations)
			setContainers(pod, nil)
			again := setPhase(pod, false, time.Unix(1000, 0).Add(test.after))
			if pod.Status.Phase != test.phase || isReady(pod) != test.ready || again != test.again {
				t.Errorf("phase %s, ready %v, again %s; want %s, %v, %s", pod.Status.Phase, isReady(pod), again, test.phase, test.ready, test.again)
			}
			if ended := pod.Status.ContainerStatuses[0].State.Terminated; ended != nil && ended.ExitCode != test.exitCode {
				t.Errorf("exit code %d, want %d", ended.ExitCode, test.exitCode)
			}
			before := pod.DeepCopy()
			setContainers(pod, nil)
			if !hasEnded(pod) && before.Status.String() != pod.Status.String() {
				t.Error("looking again changed the status: it would be written for ever")
			}
		})
	}
}

func TestTransitionTimeMovesOnlyWithTheStatus(t *testing.T) {
	pod := podWith(corev1.RestartPolicyAlways, nil)
	early, late := metav1.NewTime(time.Unix(100, 0)), metav1.NewTime(time.Unix(200, 0))
	setCondition(pod, corev1.PodReady, corev1.ConditionFalse, "A", "", early)
	setCondition(pod, corev1.PodReady, corev1.ConditionFalse, "B", "", late)
	if got := pod.Status.Conditions[0]; !got.LastTransitionTime.Equal(&early) || got.Reason != "B" {
		t.Errorf("%+v", got)
	}
	setCondition(pod, corev1.PodReady, corev1.ConditionTrue, "", "", late)
	if got := pod.Status.Conditions[0]; !got.LastTransitionTime.Equal(&late) || len(pod.Status.Conditions) != 1 {
		t.Errorf("%+v", pod.Status.Conditions)
	}
}

func TestAddressesAreNotGivenTwice(t *testing.T) {
	pool := newAddresses()
	seen := map[string]bool{}
	for i := range addressesPerNode {
		address, err := pool.allocate("172.16.3.0/24", string(rune('a'+i)))
		if err != nil || seen[address] {
			t.Fatalf("address %d: %s, %v", i, address, err)
		}
		seen[address] = true
	}
	if _, err := pool.allocate("172.16.3.0/24", "one too many"); err == nil {
		t.Error("more addresses than the network has")
	}
	pool.release("b")
	if address, err := pool.allocate("172.16.3.0/24", "next"); err != nil || !seen[address] {
		t.Errorf("freed address: %s, %v", address, err)
	}
	if _, err := pool.allocate("", "x"); err == nil {
		t.Error("an address without a network")
	}
}

// scripted is a Program whose runs do what the test says.
type scripted struct {
	run func(ctx context.Context, env program.Env) error
}

func (scripted) Match(_ *corev1.Pod, container corev1.Container) bool {
	return container.Image == "known"
}
func (s scripted) Run(ctx context.Context, env program.Env) error { return s.run(ctx, env) }

// supervise starts the programs of a pod and gives a function that waits until its state is as wanted.
func supervise(t *testing.T, pod *corev1.Pod, acts program.Program, objects ...*corev1.Secret) (s *supervisor, await func(what string, wanted func(snapshot) bool) snapshot) {
	t.Helper()
	client := fake.NewClientset()
	for _, object := range objects {
		if _, err := client.CoreV1().Secrets(object.Namespace).Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s = newSupervisor(Settings{Admin: &rest.Config{Host: "https://lab"}, Client: client, Programs: []program.Program{acts}, LogDir: t.TempDir()}, func(string, string) {})
	t.Cleanup(func() { s.stopAll(time.Second) })
	return s, func(what string, wanted func(snapshot) bool) snapshot {
		t.Helper()
		for range 200 {
			if state := s.ensure(pod)["c"]; wanted(state) {
				return state
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatalf("not reached: %s; state %+v", what, s.ensure(pod)["c"])
		return snapshot{}
	}
}

func known(policy corev1.RestartPolicy) *corev1.Pod {
	pod := podWith(policy, nil)
	pod.Spec.ServiceAccountName = "manager"
	pod.Spec.Containers[0] = corev1.Container{
		Name: "c", Image: "known", Command: []string{"/manager"}, Args: []string{"--namespace=$(NAMESPACE)", "--plain=$(UNKNOWN)"},
		Env: []corev1.EnvVar{{Name: "NAMESPACE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}}}},
	}
	return pod
}

func running(s snapshot) bool { return s.waiting == nil && s.ended == nil && !s.started.IsZero() }

func TestProgramFindsItsSurroundings(t *testing.T) {
	got := make(chan program.Env, 1)
	s, await := supervise(t, known(corev1.RestartPolicyAlways), scripted{func(ctx context.Context, env program.Env) error {
		got <- env
		<-ctx.Done()
		return ctx.Err()
	}})
	await("running", running)
	env := <-got
	if want := "system:serviceaccount:ns:manager"; env.Config.Impersonate.UserName != want {
		t.Errorf("speaks as %q, want %q", env.Config.Impersonate.UserName, want)
	}
	if len(env.Args) != 3 || env.Args[1] != "--namespace=ns" || env.Args[2] != "--plain=$(UNKNOWN)" {
		t.Errorf("arguments %q", env.Args)
	}
	if env.Admin.Impersonate.UserName != "" {
		t.Error("the administrator's configuration impersonates")
	}
	pod := known(corev1.RestartPolicyAlways)
	began := time.Now()
	s.forget(pod.Namespace, pod.Name, &pod.UID)
	if took := time.Since(began); took > time.Second || len(s.pods) != 0 {
		t.Errorf("forgetting took %s and left %d", took, len(s.pods))
	}
}

func TestCrashIsSeenAndRestarted(t *testing.T) {
	for name, crash := range map[string]func() error{
		"error": func() error { return errors.New("no cloud") },
		"end":   func() error { return nil },
		"panic": func() error { panic("broken") },
	} {
		t.Run(name, func(t *testing.T) {
			pod := known(corev1.RestartPolicyAlways)
			_, await := supervise(t, pod, scripted{func(_ context.Context, env program.Env) error {
				_, _ = io.WriteString(env.Log, "about to crash\n")
				return crash()
			}})
			state := await("back-off after a restart", func(s snapshot) bool {
				return s.waiting != nil && s.waiting.Reason == "CrashLoopBackOff" && s.restarts >= 1
			})
			if state.last == nil || state.last.ExitCode != crashExitCode || state.last.Message == "" {
				t.Errorf("last end %+v", state.last)
			}
			pod.Status.ContainerStatuses = nil
			setContainers(pod, map[string]snapshot{"c": state})
			setPhase(pod, true, time.Now())
			if status := pod.Status.ContainerStatuses[0]; isReady(pod) || status.RestartCount != state.restarts || pod.Status.Phase != corev1.PodRunning {
				t.Errorf("ready %v, phase %s, %+v", isReady(pod), pod.Status.Phase, status)
			}
		})
	}
}

func TestProgramThatEndsWithItsPod(t *testing.T) {
	pod := known(corev1.RestartPolicyNever)
	_, await := supervise(t, pod, scripted{func(context.Context, program.Env) error { return errors.New("no") }})
	state := await("ended", func(s snapshot) bool { return s.ended != nil })
	setContainers(pod, map[string]snapshot{"c": state})
	setPhase(pod, true, time.Now())
	if pod.Status.Phase != corev1.PodFailed {
		t.Errorf("phase %s", pod.Status.Phase)
	}
}

func TestMissingSecretKeepsTheProgramFromStarting(t *testing.T) {
	pod := known(corev1.RestartPolicyAlways)
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{
		SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: "k"},
	}}}
	values := make(chan string, 1)
	acts := scripted{func(ctx context.Context, env program.Env) error {
		values <- env.Environ["TOKEN"]
		<-ctx.Done()
		return ctx.Err()
	}}
	s, await := supervise(t, pod, acts)
	await("configuration error", func(s snapshot) bool { return s.waiting != nil && s.waiting.Reason == "CreateContainerConfigError" })
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}, Data: map[string][]byte{"k": []byte("v")}}
	if _, err := s.settings.Client.CoreV1().Secrets("ns").Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await("running", running)
	if got := <-values; got != "v" {
		t.Errorf("TOKEN=%q", got)
	}
}

func TestGroupIsTheDeploymentWhateverTheRevision(t *testing.T) {
	of := func(hash string) string {
		pod := podWith(corev1.RestartPolicyAlways, nil)
		pod.Labels = map[string]string{"pod-template-hash": hash}
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "capo-" + hash, Controller: ptr.To(true)}}
		return groupOf(pod)
	}
	if of("aaa") != of("bbb") || of("aaa") != "ns/ReplicaSet/capo" {
		t.Errorf("%s, %s", of("aaa"), of("bbb"))
	}
}
