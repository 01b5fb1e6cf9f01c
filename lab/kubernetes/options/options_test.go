package options

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
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
		server.ClusterCIDR.String() != "10.42.0.0/16" || server.ServiceCIDR.String() != "10.43.0.0/16" ||
		server.PrivateRegistry != "/etc/rancher/k3s/registries.yaml" || server.DisableAgent {
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
		{"mode", []string{"--write-kubeconfig-mode", "rw"}, "not an octal file mode"},
		{"address", []string{"--bind-address", "localhost"}, "failed to parse IP"},
		{"network", []string{"--cluster-cidr", "10.42.0.0"}, "invalid CIDR address"},
		{"port", []string{"--https-listen-port", "70000"}, "value out of range"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parse(t, test.arguments...); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestHelpIsNoServer(t *testing.T) {
	if _, err := parse(t, "--help"); !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("got %v", err)
	}
}

func TestAddressesOfTheServiceNetwork(t *testing.T) {
	server, err := parse(t, "--service-cidr", "10.99.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	if first, dns := server.ServiceAddress(1), server.ServiceAddress(10); first != "10.99.0.1" || dns != "10.99.0.10" {
		t.Errorf("%s and %s", first, dns)
	}
}
