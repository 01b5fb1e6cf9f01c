package server

import (
	"capi-mgmt/lab/kubernetes/nodes"
	"capi-mgmt/lab/kubernetes/options"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// authority makes a cluster's CA as Cluster API does, and a function for client certificates from it.
func authority(t *testing.T) (certPEM, keyPEM, accountPEM string, client func(commonName string, organizations ...string) tls.Certificate) {
	t.Helper()
	newKey := func() (*ecdsa.PrivateKey, string) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return key, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	}
	key, keyPEM := newKey()
	_, accountPEM = newKey()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	client = func(commonName string, organizations ...string) tls.Certificate {
		own, _ := newKey()
		leaf := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: commonName, Organization: organizations}, NotBefore: time.Now().Add(-time.Hour),
			NotAfter: time.Now().AddDate(1, 0, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		signed, err := x509.CreateCertificate(rand.Reader, leaf, ca, own.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: own}
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), keyPEM, accountPEM, client
}

// TestControlPlane runs a workload cluster's control plane beside a k3s: the two of a lab.
func TestControlPlane(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	dir := t.TempDir()
	begin(t, "--data-dir", filepath.Join(dir, "seed"), "--write-kubeconfig", filepath.Join(dir, "seed.yaml"), "--bind-address", "127.0.0.1", "--https-listen-port", freePort(t), "--node-name", "seed-1")

	caPEM, caKey, accountKey, clientCertificate := authority(t)
	port := freePort(t)
	plane := options.ControlPlane{Cluster: "default/prod", UID: "u", Address: "127.0.0.1", FloatingAddress: "203.0.113.7", CACert: caPEM, CAKey: caKey, ServiceAccountKey: accountKey,
		PodCIDR: "172.16.0.0/13", ServiceCIDR: "172.24.0.0/13", KubernetesVersion: "v1.36.3"}
	if _, err := fmt.Sscan(port, &plane.Port); err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(plane)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "plane.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	server := begin(t, "--lab-control-plane", file, "--data-dir", filepath.Join(dir, "ha"))
	if state := server.state(); state != "READY=1" {
		t.Fatalf("told systemd %q", state)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(caPEM))
	get := func(path string, certificates ...tls.Certificate) (int, string) {
		t.Helper()
		// Checked against the floating address: that is where a runner calls it.
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certificates, ServerName: plane.FloatingAddress}}
		defer transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://127.0.0.1:"+port+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if code, body := get("/readyz"); code != http.StatusOK || body != "ok" {
		t.Errorf("/readyz without credentials: %d %s", code, body)
	}
	if code, _ := get("/api/v1/nodes"); code != http.StatusForbidden {
		t.Errorf("nodes without credentials: %d", code)
	}
	if code, _ := get("/api/v1/nodes", clientCertificate("somebody")); code != http.StatusForbidden {
		t.Errorf("nodes as somebody: %d", code)
	}
	if code, body := get("/api/v1/nodes", clientCertificate("kubernetes-admin", "system:masters")); code != http.StatusOK {
		t.Errorf("nodes as a member of system:masters: %d %s", code, body)
	}
	client, _ := clientOf(t, filepath.Join(dir, "ha", "server", "cred", "admin.kubeconfig"))

	t.Run("nodes the controller makes become Ready as it describes them", func(t *testing.T) {
		for _, node := range []*corev1.Node{
			{ObjectMeta: metav1.ObjectMeta{Name: "cp-0"}, Status: corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "v1.36.1"}, Capacity: corev1.ResourceList{"cpu": resource.MustParse("2")}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "worker-0", Annotations: map[string]string{nodes.AnnotationKubeletVersion: "v1.36.2"}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "worker-1", Annotations: map[string]string{nodes.AnnotationNotReady: "no network plugin"}}},
		} {
			if _, err := client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "two of three Ready", func() (bool, string) {
			list, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			seen := ""
			for _, node := range list.Items {
				seen += fmt.Sprintf("%s %s %s %v;", node.Name, node.Status.NodeInfo.KubeletVersion, node.Status.Capacity.Cpu(), nodeIsReady(&node))
			}
			return seen == "cp-0 v1.36.1 2 true;worker-0 v1.36.2 8 true;worker-1 v1.36.3 8 false;", seen
		})
	})
	t.Run("pods go with their node", func(t *testing.T) {
		d := deployment("web", "nginx", 3)
		d.Spec.Template.Spec.NodeSelector = nil
		if _, err := client.AppsV1().Deployments("default").Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "available", func() (bool, string) {
			d, err := client.AppsV1().Deployments("default").Get(t.Context(), "web", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return d.Status.AvailableReplicas == 3, fmt.Sprintf("%+v", d.Status)
		})
		began := time.Now()
		if err := client.CoreV1().Nodes().Delete(t.Context(), "worker-0", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "three available, none on the node that is gone", func() (bool, string) {
			seen, ready := "", 0
			for _, pod := range podsOf(t, client, "web") {
				seen += pod.Spec.NodeName + " "
				if podIsReady(&pod) {
					ready++
				}
			}
			return ready == 3 && !strings.Contains(seen, "worker-0"), seen
		})
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("took %s; that was the garbage collector", took)
		}
	})
	if err := server.stop(); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, server.tail())
	}
}
