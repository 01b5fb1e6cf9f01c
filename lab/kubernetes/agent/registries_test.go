package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

func registriesOf(t *testing.T, content string) *registries {
	t.Helper()
	path := filepath.Join(t.TempDir(), "registries.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := readRegistries(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const operators = `
mirrors:
  docker.io: {endpoint: ["http://mirror.lab:5000", "https://other.lab/v2/proxy"]}
  quay.io: {endpoint: ["https://mirror.lab:5443/"]}
  "*": {endpoint: ["https://all.lab"]}
configs:
  other.lab: {auth: {username: u, password: "p\"$\\"}, tls: {ca_file: /etc/ca.pem}}
  all.lab: {tls: {cert_file: c, key_file: k, insecure_skip_verify: true}}
`

func TestMirrorsBecomeHosts(t *testing.T) {
	got, err := registriesOf(t, operators).hosts()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"docker.io": `server = "https://registry-1.docker.io"
[host."http://mirror.lab:5000"]
capabilities = ["pull", "resolve"]
[host."https://other.lab/v2/proxy"]
capabilities = ["pull", "resolve"]
ca = "/etc/ca.pem"
override_path = true
`,
		"quay.io": `server = "https://quay.io"
[host."https://mirror.lab:5443"]
capabilities = ["pull", "resolve"]
`,
		"_default": `[host."https://all.lab"]
capabilities = ["pull", "resolve"]
client = [["c", "k"]]
skip_verify = true
`,
		"other.lab": "server = \"https://other.lab\"\nca = \"/etc/ca.pem\"\n",
		"all.lab":   "server = \"https://all.lab\"\nclient = [[\"c\", \"k\"]]\nskip_verify = true\n",
	}
	for host, text := range want {
		if string(got[host]) != text {
			t.Errorf("%s:\n%s\nwant\n%s", host, got[host], text)
		}
		if err := toml.Unmarshal(got[host], &map[string]any{}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
}

func TestLogins(t *testing.T) {
	content, err := node(t, host{}).containerdConfig(registriesOf(t, operators))
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := toml.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	logins := at(t, config, "plugins", "io.containerd.cri.v1.images", "registry", "configs").(map[string]any)
	if auth := at(t, logins, "other.lab", "auth").(map[string]any); auth["username"] != "u" || auth["password"] != `p"$\` {
		t.Errorf("%v", auth)
	}
	if len(logins) != 1 {
		t.Errorf("%v", logins)
	}
}

func TestRegistriesRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registries.yaml")
	if err := os.WriteFile(path, []byte("mirrors: {docker.io: {endpoints: [x]}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readRegistries(path); err == nil || !strings.Contains(err.Error(), "endpoints") {
		t.Errorf("an unknown key: %v", err)
	}
	if _, err := registriesOf(t, `mirrors: {docker.io: {endpoint: ["mirror.lab:5000"]}}`).hosts(); err == nil {
		t.Error("an endpoint without a scheme is taken")
	}
	if r, err := readRegistries(filepath.Join(t.TempDir(), "none")); err != nil || len(r.Mirrors) != 0 {
		t.Errorf("no file: %v", err)
	}
}
