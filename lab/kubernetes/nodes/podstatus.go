package nodes

import (
	"crypto/sha256"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// programPrefix begins the container id of a container a program acts for, so that a status tells which is which.
const programPrefix = "lab-program://"

// setInitContainers says that init containers have done their work, and that sidecars among them run.
func setInitContainers(pod *corev1.Pod) {
	for _, container := range pod.Spec.InitContainers {
		started := *pod.Status.StartTime
		state := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: started, FinishedAt: started}}
		if container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}
		}
		put(&pod.Status.InitContainerStatuses, statusOf(pod, container, state, true))
	}
}

// setContainers says how each container is: those with a program as programs tells, the others running.
func setContainers(pod *corev1.Pod, programs map[string]snapshot) {
	for _, container := range pod.Spec.Containers {
		var status corev1.ContainerStatus
		if program, acts := programs[container.Name]; acts {
			status = program.status(pod, container)
		} else if reason := pod.Annotations[AnnotationWaiting]; reason != "" {
			status = statusOf(pod, container, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "asked for by annotation " + AnnotationWaiting}}, false)
		} else {
			status = statusOf(pod, container, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: *pod.Status.StartTime}}, true)
		}
		put(&pod.Status.ContainerStatuses, status)
	}
}

func statusOf(pod *corev1.Pod, container corev1.Container, state corev1.ContainerState, ready bool) corev1.ContainerStatus {
	status := corev1.ContainerStatus{
		Name: container.Name, Image: container.Image, State: state, Ready: ready,
		Started: ptr.To(state.Running != nil),
	}
	if state.Waiting == nil {
		status.ImageID = fmt.Sprintf("%s@sha256:%x", container.Image, sha256.Sum256([]byte(container.Image)))
		status.ContainerID = fmt.Sprintf("containerd://%x", sha256.Sum256([]byte(string(pod.UID)+container.Name)))
	}
	return status
}

// put replaces the status of the same container, keeping what only the API knows (resources), or adds it.
func put(statuses *[]corev1.ContainerStatus, status corev1.ContainerStatus) {
	for i, old := range *statuses {
		if old.Name == status.Name {
			status.Resources, status.AllocatedResources, status.VolumeMounts = old.Resources, old.AllocatedResources, old.VolumeMounts
			(*statuses)[i] = status
			return
		}
	}
	*statuses = append(*statuses, status)
}

// status is the container status of a program in this state.
func (s snapshot) status(pod *corev1.Pod, container corev1.Container) corev1.ContainerStatus {
	var state corev1.ContainerState
	switch {
	case s.ended != nil:
		state.Terminated = s.ended
	case s.waiting != nil:
		state.Waiting = s.waiting
	default:
		state.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(s.started)}
	}
	status := statusOf(pod, container, state, state.Running != nil)
	status.RestartCount = s.restarts
	status.LastTerminationState.Terminated = s.last
	if status.ContainerID != "" {
		status.ContainerID = fmt.Sprintf("%s%x", programPrefix, sha256.Sum256(fmt.Append(nil, pod.UID, container.Name, s.restarts)))
	}
	return status
}

// end makes a pod Succeeded, or Failed where its exit code is not 0.
func end(pod *corev1.Pod, code int32, now metav1.Time) {
	phase, reason, podReason := corev1.PodSucceeded, "Completed", "PodCompleted"
	if code != 0 {
		phase, reason, podReason = corev1.PodFailed, "Error", "PodFailed"
	}
	pod.Status.Phase = phase
	setCondition(pod, corev1.PodReady, corev1.ConditionFalse, podReason, "", now)
	setCondition(pod, corev1.ContainersReady, corev1.ConditionFalse, podReason, "", now)
	for i := range pod.Status.ContainerStatuses {
		status := &pod.Status.ContainerStatuses[i]
		status.Ready, status.Started = false, ptr.To(false)
		if status.State.Terminated != nil {
			continue
		}
		begin := now
		if status.State.Running != nil {
			begin = status.State.Running.StartedAt
		}
		status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: code, Reason: reason, StartedAt: begin, FinishedAt: now, ContainerID: status.ContainerID,
		}}
	}
}

func unready(pod *corev1.Pod) string {
	var names []string
	for _, status := range pod.Status.ContainerStatuses {
		if !status.Ready {
			names = append(names, status.Name)
		}
	}
	return fmt.Sprint(names)
}

// setCondition changes a condition, and its transition time only when its status changes.
func setCondition(pod *corev1.Pod, kind corev1.PodConditionType, status corev1.ConditionStatus, reason, message string, now metav1.Time) {
	condition := corev1.PodCondition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second))}
	for i, old := range pod.Status.Conditions {
		if old.Type != kind {
			continue
		}
		condition.ObservedGeneration = old.ObservedGeneration
		if old.Status == status {
			condition.LastTransitionTime = old.LastTransitionTime
		}
		pod.Status.Conditions[i] = condition
		return
	}
	pod.Status.Conditions = append(pod.Status.Conditions, condition)
}
