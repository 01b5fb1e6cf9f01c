package server

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// lastState reads a state that was told before the server ended.
func (p *process) lastState() string {
	buffer := make([]byte, 4096)
	_ = p.socket.SetReadDeadline(time.Now().Add(time.Second))
	n, err := p.socket.Read(buffer)
	if err != nil {
		return err.Error()
	}
	return string(buffer[:n])
}

func nodeIsReady(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func podIsReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func deployment(name, image string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "manager", Image: image, Command: []string{"/manager"}, Args: []string{"--leader-elect"}}},
			}},
		},
	}
}

func podsOf(t *testing.T, client kubernetes.Interface, app string) []corev1.Pod {
	t.Helper()
	list, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func logOf(t *testing.T, client kubernetes.Interface, pod string, o corev1.PodLogOptions) string {
	t.Helper()
	text, err := client.CoreV1().Pods("default").GetLogs(pod, &o).DoRaw(t.Context())
	if err != nil {
		return err.Error()
	}
	return string(text)
}
