package nodes

import (
	"context"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// runsFor is the life of a pod whose containers end by themselves (restartPolicy Never or OnFailure).
const runsFor = 2 * time.Second

// killedExitCode is what a container ended by SIGKILL reports.
const killedExitCode = 137

// syncPod brings a pod a step further. Images, probes and mounted Secrets are not looked at.
func (l *Loop) syncPod(ctx context.Context, pod *corev1.Pod) (again time.Duration, err error) {
	if !l.plays(pod.Spec.NodeName) {
		return 0, nil
	}
	node, exists, err := l.nodes.GetStore().GetByKey(pod.Spec.NodeName)
	if err != nil {
		return 0, err
	}
	if !exists {
		// Gone, or so new that its event is still under way. The node's own events remove the pods of one that is gone;
		// after a restart of this server the controller manager's garbage collector does.
		return time.Second, nil
	}
	if pod.DeletionTimestamp != nil {
		return 0, l.endPod(ctx, pod)
	}
	if node.(*corev1.Node).Annotations[AnnotationKubeletStopped] == "true" {
		l.programs.forget(pod.Namespace, pod.Name, &pod.UID)
		return 0, nil
	}
	if hasEnded(pod) {
		l.programs.forget(pod.Namespace, pod.Name, &pod.UID)
		return 0, nil
	}
	old := pod.Status.DeepCopy()
	if pod.Status.StartTime == nil || pod.Status.PodIP == "" { // a host network's address may become known later
		if err := l.admit(pod, node.(*corev1.Node)); err != nil {
			return 0, err
		}
	}
	setInitContainers(pod)
	var programs map[string]snapshot
	if pod.Annotations[AnnotationWaiting] == "" {
		programs = l.programs.ensure(pod)
	}
	setContainers(pod, programs)
	again = setPhase(pod, len(programs) > 0, time.Now())
	pod.Status.ObservedGeneration = pod.Generation
	if equality.Semantic.DeepEqual(old, &pod.Status) {
		return again, nil
	}
	if _, err := l.Client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
		return 0, err
	}
	return again, nil
}

func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// admit gives a pod its start time and addresses.
func (l *Loop) admit(pod *corev1.Pod, node *corev1.Node) error {
	host := nodeAddress(node)
	address := host
	if !pod.Spec.HostNetwork {
		key := pod.Namespace + "/" + pod.Name
		l.addresses.release(key) // one given in a try whose write failed
		var err error
		if address, err = l.addresses.allocate(node.Spec.PodCIDR, key); err != nil {
			return err
		}
	}
	if pod.Status.StartTime == nil {
		pod.Status.StartTime = ptr.To(metav1.Now())
	}
	if address != "" {
		pod.Status.PodIP, pod.Status.PodIPs = address, []corev1.PodIP{{IP: address}}
	}
	if host != "" {
		pod.Status.HostIP, pod.Status.HostIPs = host, []corev1.HostIP{{IP: host}}
	}
	return nil
}

func nodeAddress(node *corev1.Node) string {
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return address.Address
		}
	}
	return ""
}

// endPod ends the programs of a pod that is being deleted, then lets the API server drop it.
func (l *Loop) endPod(ctx context.Context, pod *corev1.Pod) error {
	l.programs.forget(pod.Namespace, pod.Name, &pod.UID)
	if !hasEnded(pod) && len(pod.Finalizers) > 0 { // for example the Job controller counts a pod only once it has ended
		end(pod, killedExitCode, metav1.Now())
		if _, err := l.Client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	return l.deleteNow(ctx, pod)
}

func (l *Loop) deleteNow(ctx context.Context, pod *corev1.Pod) error {
	return l.Client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &pod.UID},
	})
}

// lifetime says whether the pod's containers end by themselves, and after how long.
func lifetime(pod *corev1.Pod) (life time.Duration, ends bool) {
	if seconds, err := strconv.ParseFloat(pod.Annotations[AnnotationRunSeconds], 64); err == nil {
		return time.Duration(seconds * float64(time.Second)), true
	}
	return runsFor, pod.Spec.RestartPolicy != corev1.RestartPolicyAlways
}

// setPhase derives the pod's phase and conditions from its containers. A pod with programs ends when these do, another one
// when its time has come. again is how long until then, or 0.
func setPhase(pod *corev1.Pod, hasPrograms bool, now time.Time) (again time.Duration) {
	started, ready, terminated, worst := false, true, 0, int32(0)
	for _, status := range pod.Status.ContainerStatuses {
		ready = ready && status.Ready
		started = started || status.State.Running != nil || status.State.Terminated != nil || status.LastTerminationState.Terminated != nil
		if status.State.Terminated != nil {
			terminated++
			worst = max(worst, status.State.Terminated.ExitCode)
		}
	}
	pod.Status.Phase = corev1.PodPending
	if started {
		pod.Status.Phase = corev1.PodRunning
	}
	stamp := metav1.NewTime(now)
	setCondition(pod, corev1.PodReadyToStartContainers, corev1.ConditionTrue, "", "", stamp)
	setCondition(pod, corev1.PodInitialized, corev1.ConditionTrue, "", "", stamp)
	state, reason, message := corev1.ConditionTrue, "", ""
	if !ready {
		state, reason, message = corev1.ConditionFalse, "ContainersNotReady", "containers with unready status: "+unready(pod)
	}
	setCondition(pod, corev1.ContainersReady, state, reason, message, stamp)
	setCondition(pod, corev1.PodReady, state, reason, message, stamp)
	if terminated > 0 && terminated == len(pod.Status.ContainerStatuses) { // programs that ended by themselves
		end(pod, worst, stamp)
		return 0
	}
	life, ends := lifetime(pod)
	if !ends || !started || hasPrograms {
		return 0
	}
	if left := pod.Status.StartTime.Add(life).Sub(now); left > 0 {
		return left
	}
	code, _ := strconv.ParseInt(pod.Annotations[AnnotationExitCode], 10, 32) // absent: 0
	end(pod, int32(code), stamp)
	return 0
}
