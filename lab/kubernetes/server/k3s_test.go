package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	extensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	extensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"
)

// TestK3s runs one server through its life: first start, work, kill, start on the same data, stop.
func TestK3s(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	whole, dir := t, t.TempDir() // what begins in a subtest here outlives it
	kubeconfig := filepath.Join(dir, "k3s.yaml")
	arguments := []string{"--data-dir", filepath.Join(dir, "data"), "--write-kubeconfig", kubeconfig, "--bind-address", "127.0.0.1", "--https-listen-port", freePort(t),
		"--node-name", "seed-1", "--secrets-encryption", "--disable", "traefik,servicelb"}
	server := begin(t, arguments...)
	if state := server.state(); state != "READY=1" {
		t.Fatalf("told systemd %q", state)
	}
	client, config := clientOf(t, kubeconfig)
	node, err := client.CoreV1().Nodes().Get(t.Context(), "seed-1", metav1.GetOptions{})
	if err != nil || !nodeIsReady(node) {
		t.Fatalf("READY=1 before the node is Ready: %v", err)
	}
	create := func(d *appsv1.Deployment) {
		t.Helper()
		if _, err := client.AppsV1().Deployments("default").Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "planted"}, StringData: map[string]string{"k": "PLANTED-VALUE"}}
	if _, err := client.CoreV1().Secrets("default").Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	t.Run("a program speaks as its service account and its log is shown", func(t *testing.T) {
		create(deployment("whoami", "test/whoami", 1))
		eventually(t, "log", func() (bool, string) {
			pods := podsOf(t, client, "whoami")
			if len(pods) == 0 {
				return false, "no pod"
			}
			text := logOf(t, client, pods[0].Name, corev1.PodLogOptions{})
			return strings.Contains(text, "I am system:serviceaccount:default:default with /manager --leader-elect\n") &&
				strings.Contains(text, "secrets is forbidden"), text
		})
	})
	t.Run("a crash is visible", func(t *testing.T) {
		create(deployment("crasher", "test/crasher", 1))
		eventually(t, "restarts", func() (bool, string) {
			pods := podsOf(t, client, "crasher")
			if len(pods) == 0 || len(pods[0].Status.ContainerStatuses) == 0 {
				return false, "no status"
			}
			status := pods[0].Status.ContainerStatuses[0]
			return status.RestartCount >= 2 && !status.Ready && status.LastTerminationState.Terminated != nil &&
				status.LastTerminationState.Terminated.Message == "no such cloud", fmt.Sprintf("%+v", status)
		})
		pod := podsOf(t, client, "crasher")[0]
		if text := logOf(t, client, pod.Name, corev1.PodLogOptions{Previous: true}); !strings.Contains(text, "the program ended: no such cloud") {
			t.Errorf("previous log %q", text)
		}
		d, err := client.AppsV1().Deployments("default").Get(t.Context(), "crasher", metav1.GetOptions{})
		if err != nil || d.Status.AvailableReplicas != 0 {
			t.Errorf("a crashing Deployment counts as available: %+v, %v", d.Status, err)
		}
	})
	t.Run("one pod of a Deployment leads, and another when it goes", func(t *testing.T) {
		create(deployment("leader", "test/leader", 2))
		leading := func() (names []string) {
			for _, pod := range podsOf(t, client, "leader") {
				if strings.Contains(logOf(t, client, pod.Name, corev1.PodLogOptions{}), "leading") {
					names = append(names, pod.Name)
				}
			}
			return names
		}
		eventually(t, "both Ready, one leading", func() (bool, string) {
			d, err := client.AppsV1().Deployments("default").Get(t.Context(), "leader", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			names := leading()
			return d.Status.ReadyReplicas == 2 && len(names) == 1, fmt.Sprint(d.Status.ReadyReplicas, names)
		})
		first := leading()[0]
		if err := client.CoreV1().Pods("default").Delete(t.Context(), first, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another leads", func() (bool, string) {
			names := leading()
			return len(names) == 1 && names[0] != first, fmt.Sprint(names)
		})
	})
	t.Run("a pod without a program says that it has no log", func(t *testing.T) {
		create(deployment("web", "nginx", 1))
		eventually(t, "log", func() (bool, string) {
			pods := podsOf(t, client, "web")
			if len(pods) == 0 || !podIsReady(&pods[0]) {
				return false, "not Ready"
			}
			text := logOf(t, client, pods[0].Name, corev1.PodLogOptions{})
			return strings.Contains(text, "runs no container"), text
		})
	})
	t.Run("custom resources are converted without a webhook", func(t *testing.T) {
		convertedInProcess(t, extensions.NewForConfigOrDie(config), dynamic.NewForConfigOrDie(config))
	})
	t.Run("nothing in the cluster's networks is dialled", func(t *testing.T) {
		pod := podsOf(t, client, "web")[0]
		_, err := client.CoreV1().Pods("default").ProxyGet("http", pod.Name, "80", "/", nil).DoRaw(t.Context())
		if !apierrors.IsServiceUnavailable(err) {
			t.Errorf("pod proxy: %v", err)
		}
	})
	t.Run("everything is kept when it is killed", func(t *testing.T) {
		if err := server.command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-server.ended
		content, err := os.ReadFile(filepath.Join(dir, "data", "server", "db", "state.db"))
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
		eventually(t, "the program runs again in the same pod", func() (bool, string) {
			pods := podsOf(t, client, "whoami")
			text := logOf(t, client, pods[0].Name, corev1.PodLogOptions{})
			return podIsReady(&pods[0]) && strings.Contains(text, "I am system:"), text
		})
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

// convertedInProcess writes an object in one version of a kind with a conversion webhook and reads it in the other.
func convertedInProcess(t *testing.T, crds extensions.Interface, objects dynamic.Interface) {
	version := func(name string, storage bool) extensionsv1.CustomResourceDefinitionVersion {
		return extensionsv1.CustomResourceDefinitionVersion{Name: name, Served: true, Storage: storage, Schema: &extensionsv1.CustomResourceValidation{
			OpenAPIV3Schema: &extensionsv1.JSONSchemaProps{Type: "object", Properties: map[string]extensionsv1.JSONSchemaProps{"spec": {Type: "object", Properties: map[string]extensionsv1.JSONSchemaProps{"a": {Type: "string"}}}}},
		}}
	}
	_, err := crds.ApiextensionsV1().CustomResourceDefinitions().Create(t.Context(), &extensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "things.lab.test"},
		Spec: extensionsv1.CustomResourceDefinitionSpec{
			Group: "lab.test", Scope: extensionsv1.NamespaceScoped,
			Names:    extensionsv1.CustomResourceDefinitionNames{Kind: "Thing", Plural: "things", Singular: "thing", ListKind: "ThingList"},
			Versions: []extensionsv1.CustomResourceDefinitionVersion{version("v1", false), version("v2", true)},
			Conversion: &extensionsv1.CustomResourceConversion{Strategy: extensionsv1.WebhookConverter, Webhook: &extensionsv1.WebhookConversion{
				ConversionReviewVersions: []string{"v1"}, ClientConfig: &extensionsv1.WebhookClientConfig{Service: &extensionsv1.ServiceReference{Namespace: "default", Name: "nobody", Path: ptr.To("/convert")}},
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at := func(version string) dynamic.ResourceInterface {
		return objects.Resource(schema.GroupVersionResource{Group: "lab.test", Version: version, Resource: "things"}).Namespace("default")
	}
	eventually(t, "created", func() (bool, string) {
		_, err := at("v1").Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "lab.test/v1", "kind": "Thing", "metadata": map[string]any{"name": "x"}, "spec": map[string]any{"a": "b"},
		}}, metav1.CreateOptions{})
		return err == nil || apierrors.IsAlreadyExists(err), fmt.Sprint(err)
	})
	got, err := at("v2").Get(t.Context(), "x", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if value, _, _ := unstructured.NestedString(got.Object, "spec", "a"); value != "b" || got.GetAPIVersion() != "lab.test/v2" {
		t.Errorf("read %v", got.Object)
	}
}
