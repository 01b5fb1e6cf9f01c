package options

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// parse runs Parse without the machine's own configuration file and environment.
func parse(t *testing.T, arguments ...string) (*Server, error) {
	t.Helper()
	for _, name := range []string{"K3S_CONFIG_FILE", "K3S_DATA_DIR", "K3S_TOKEN", "K3S_KUBECONFIG_OUTPUT", "K3S_KUBECONFIG_MODE", "K3S_NODE_NAME"} {
		t.Setenv(name, "")
	}
	if !slices.Contains(arguments, "--config") {
		t.Setenv("K3S_CONFIG_FILE", filepath.Join(t.TempDir(), "none.yaml"))
	}
	return Parse(arguments)
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	server, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	if server.DataDir != "/var/lib/rancher/k3s" || server.Kubeconfig != DefaultKubeconfig || server.KubeconfigMode != 0o600 || server.Port != 6443 ||
		server.ClusterCIDR != "10.42.0.0/16" || server.ServiceCIDR != "10.43.0.0/16" || server.CallWebhooks || server.ControlPlane != nil {
		t.Errorf("not k3s's defaults: %+v", server)
	}
}

func TestCommandLineOverFilesOverDefaults(t *testing.T) {
	dir := t.TempDir()
	main := write(t, filepath.Join(dir, "config.yaml"), "node-name: from-file\nhttps-listen-port: 7443\ntls-san: [a.lab, b.lab]\nwrite-kubeconfig-mode: \"0644\"\nsecrets-encryption: true\ndisable:\n- traefik\nkubelet-arg: [max-pods=50]\n")
	write(t, main+".d/10-more.yaml", "node-name: from-second\ntls-san+: c.lab\ndisable: servicelb\n")
	server, err := parse(t, "--config", main, "--https-listen-port", "8443", "--data-dir", dir)
	if err != nil {
		t.Fatal(err)
	}
	if server.NodeName != "from-second" {
		t.Errorf("node name %q: a later file wins", server.NodeName)
	}
	if server.Port != 8443 {
		t.Errorf("port %d: the command line wins", server.Port)
	}
	if !slices.Equal(server.TLSNames, []string{"a.lab", "b.lab", "c.lab"}) {
		t.Errorf("names %q: a key with + adds", server.TLSNames)
	}
	if !slices.Equal(server.Disabled, []string{"servicelb"}) {
		t.Errorf("disabled %q: a list replaces", server.Disabled)
	}
	if server.KubeconfigMode != 0o644 || !server.SecretsEncryption {
		t.Errorf("mode %o, encryption %v", server.KubeconfigMode, server.SecretsEncryption)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	unknown := write(t, filepath.Join(dir, "unknown.yaml"), "no-such-option: 1\n")
	for _, test := range []struct {
		name      string
		arguments []string
		want      string
	}{
		{"unknown flag", []string{"--nope"}, "unknown flag: --nope"},
		{"known flags are listed", []string{"--nope"}, "--write-kubeconfig-mode"},
		{"unknown option in a file", []string{"--config", unknown}, `unknown k3s option "no-such-option"`},
		{"configuration file missing", []string{"--config", filepath.Join(dir, "absent.yaml")}, "no such file"},
		{"argument", []string{"extra"}, `unexpected arguments ["extra"]`},
		{"component", []string{"--disable", "nginx"}, "not a packaged component"},
		{"mode", []string{"--write-kubeconfig-mode", "rw"}, "not an octal file mode"},
		{"address", []string{"--bind-address", "localhost"}, "not an IP address"},
		{"network", []string{"--cluster-cidr", "10.42.0.0"}, "not a network"},
		{"port", []string{"--https-listen-port", "70000"}, "not a port"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parse(t, test.arguments...); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestHelpIsNoServer(t *testing.T) {
	_, err := parse(t, "--help")
	if text := NotServer(""); !errors.As(err, &text) || !strings.Contains(string(text), "--tls-san") {
		t.Errorf("got %v", err)
	}
}

// plane is a whole control plane file; tests take fields away.
func plane() map[string]any {
	return map[string]any{
		"cluster": "default/prod", "uid": "u", "address": "192.168.3.9", "prefixLength": 24, "gateway": "192.168.3.1", "portId": "p", "networkId": "n",
		"mac": "fa:16:3e:00:00:01", "port": 6443, "floatingAddress": "203.0.113.7", "caCert": "CERT", "caKey": "SECRET-KEY", "serviceAccountKey": "SECRET-SA",
		"podCidr": "172.16.0.0/13", "serviceCidr": "172.24.0.0/13", "kubernetesVersion": "v1.36.3", "dnsNameservers": []string{},
	}
}

func planeFile(t *testing.T, content map[string]any) string {
	t.Helper()
	text, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(t.TempDir(), "plane.json"), string(text))
}

func TestControlPlane(t *testing.T) {
	dir := t.TempDir()
	server, err := parse(t, "--lab-control-plane", planeFile(t, plane()), "--data-dir", dir)
	if err != nil {
		t.Fatal(err)
	}
	if server.BindAddress != "0.0.0.0" || server.AdvertiseAddress != "192.168.3.9" || server.ClusterCIDR != "172.16.0.0/13" || server.ServiceCIDR != "172.24.0.0/13" ||
		server.Kubeconfig != filepath.Join(dir, "admin.kubeconfig") || !slices.Equal(server.TLSNames, []string{"192.168.3.9", "203.0.113.7"}) || !server.IsDisabled("local-storage") {
		t.Errorf("%+v", server)
	}
}

func TestControlPlaneNamesEveryProblemAndNoSecret(t *testing.T) {
	content := plane()
	delete(content, "uid")
	delete(content, "caCert")
	content["floatingAddress"] = "nowhere"
	_, err := parse(t, "--lab-control-plane", planeFile(t, content), "--data-dir", t.TempDir())
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"uid is required", "caCert is required", `floatingAddress "nowhere" is not an IP address`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "SECRET") {
		t.Errorf("a key is in: %v", err)
	}
}

func TestControlPlaneTakesFewFlags(t *testing.T) {
	file := planeFile(t, plane())
	if _, err := parse(t, "--lab-control-plane", file, "--data-dir", t.TempDir(), "--node-name", "x", "--token", "SECRET"); err == nil ||
		!strings.Contains(err.Error(), "--node-name cannot be given") || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %v", err)
	}
	if _, err := parse(t, "--lab-control-plane", file); err == nil || !strings.Contains(err.Error(), "needs --data-dir") {
		t.Errorf("got %v", err)
	}
}
