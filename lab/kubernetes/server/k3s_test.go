package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// TestK3s runs one server through its life: first start, work, kill, start on the same data, stop. Without the node, which
// needs a machine: tests/lab has it.
func TestK3s(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	whole, dir := t, t.TempDir() // what begins in a subtest here outlives it
	kubeconfig, data := filepath.Join(dir, "k3s.yaml"), filepath.Join(dir, "data")
	arguments := []string{"--data-dir", data, "--write-kubeconfig", kubeconfig, "--bind-address", "127.0.0.1", "--https-listen-port", freePort(t),
		"--node-name", "seed-1", "--secrets-encryption", "--disable", "traefik,servicelb,metrics-server", "--disable-agent"}
	server := begin(t, arguments...)
	if state := server.state(); state != "READY=1" {
		t.Fatalf("told systemd %q", state)
	}
	client, _ := clientOf(t, kubeconfig)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "planted"}, StringData: map[string]string{"k": "PLANTED-VALUE"}}
	if _, err := client.CoreV1().Secrets("default").Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Run("manifests are applied, the packaged and the operator's", func(t *testing.T) {
		eventually(t, "coredns", func() (bool, string) {
			deployment, err := client.AppsV1().Deployments("kube-system").Get(t.Context(), "coredns", metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			image := deployment.Spec.Template.Spec.Containers[0].Image
			return strings.HasPrefix(image, "rancher/"), image
		})
		service, err := client.CoreV1().Services("kube-system").Get(t.Context(), "kube-dns", metav1.GetOptions{})
		if err != nil || service.Spec.ClusterIP != "10.43.0.10" {
			t.Errorf("DNS: %v, %v", service.Spec.ClusterIP, err)
		}
		content := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: operators}\n---\n"
		if err := os.WriteFile(filepath.Join(data, "server", "manifests", "mine.yaml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, "ConfigMap", func() (bool, string) {
			_, err := client.CoreV1().ConfigMaps("default").Get(t.Context(), "operators", metav1.GetOptions{})
			return err == nil, "absent"
		})
	})
	t.Run("webhooks are called", func(t *testing.T) { webhooksCount(t, client) })
	t.Run("everything is kept when it is killed", func(t *testing.T) {
		if err := server.command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-server.ended
		content, err := os.ReadFile(filepath.Join(data, "server", "db", "state.db"))
		if err != nil || strings.Contains(string(content), "PLANTED-VALUE") {
			t.Errorf("the Secret is in the database in plain text, or %v", err)
		}
		server = begin(whole, arguments...)
		if state := server.state(); state != "READY=1" {
			t.Fatalf("told systemd %q", state)
		}
		client, _ = clientOf(t, kubeconfig)
		kept, err := client.CoreV1().Secrets("default").Get(t.Context(), "planted", metav1.GetOptions{})
		if err != nil || string(kept.Data["k"]) != "PLANTED-VALUE" {
			t.Fatalf("Secret: %v", err)
		}
	})
	other := begin(t, arguments...)
	if err := <-other.ended; err == nil || !strings.Contains(other.tail(), "in use by another k3s server") {
		t.Errorf("a second server on the same data: %v\n%s", err, other.tail())
	}
	if err := server.stop(); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, server.tail())
	}
	if state := server.lastState(); state != "STOPPING=1" {
		t.Errorf("told systemd %q at the end", state)
	}
}

// webhooksCount makes a webhook that nobody answers: what it is to see must be refused.
func webhooksCount(t *testing.T, client kubernetes.Interface) {
	_, err := client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "nobody"},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: "nobody.lab.test", AdmissionReviewVersions: []string{"v1"}, SideEffects: ptr.To(admissionv1.SideEffectClassNone), FailurePolicy: ptr.To(admissionv1.Fail),
			ClientConfig: admissionv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:1/")},
			Rules: []admissionv1.RuleWithOperations{{Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"services"}}}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "refused", func() (bool, string) {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{GenerateName: "refused-"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
		_, err := client.CoreV1().Services("default").Create(t.Context(), service, metav1.CreateOptions{})
		if err == nil {
			return false, "created"
		}
		return strings.Contains(err.Error(), `failed calling webhook "nobody.lab.test"`), err.Error()
	})
}
