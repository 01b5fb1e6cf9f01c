package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

// registries is k3s's registries.yaml.
type registries struct {
	Mirrors map[string]struct {
		Endpoints []string `json:"endpoint"`
	} `json:"mirrors"`
	Configs map[string]registry `json:"configs"`
}

type registry struct {
	Auth struct {
		Username      string `json:"username" toml:"username"`
		Password      string `json:"password" toml:"password"`
		Auth          string `json:"auth" toml:"auth"`
		IdentityToken string `json:"identity_token" toml:"identitytoken"`
	} `json:"auth"`
	TLS trust `json:"tls"`
}

type trust struct {
	CA                 string `json:"ca_file"`
	Certificate        string `json:"cert_file"`
	Key                string `json:"key_file"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify"`
}

// every is containerd's name for the registries without a folder of their own, `*` in registries.yaml.
const every = "_default"

// readRegistries reads the file, which need not be there. A key that k3s does not know is refused.
func readRegistries(path string) (*registries, error) {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	r := &registries{}
	if err := yaml.UnmarshalStrict(content, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// logins are the registries' passwords, as containerd's configuration has them.
func (r *registries) logins() table {
	logins := table{}
	for host, config := range r.Configs {
		if config.Auth != (registry{}).Auth {
			logins[host] = table{"auth": config.Auth}
		}
	}
	return logins
}

// hosts gives the content of containerd's hosts.toml by registry, for each that has mirrors or a trust of its own. An encoder
// would sort the mirrors.
func (r *registries) hosts() (map[string][]byte, error) {
	files := map[string][]byte{}
	for host, config := range r.Configs {
		if config.TLS != (trust{}) {
			files[host] = []byte(server(host) + config.TLS.String())
		}
	}
	for host, mirror := range r.Mirrors {
		if host == "*" {
			host = every
		}
		text := string(files[host])
		if text == "" && host != every {
			text = server(host)
		}
		var mirrors string
		for _, address := range mirror.Endpoints {
			endpoint, err := url.Parse(address)
			if err != nil || endpoint.Host == "" || (endpoint.Scheme != "http" && endpoint.Scheme != "https") {
				return nil, fmt.Errorf("mirror of %s: %q is not an http or https URL", host, address)
			}
			settings := r.Configs[endpoint.Host].TLS.String()
			// Below a server's root containerd finds the API by itself (/v2); elsewhere the address is taken as it is.
			if endpoint.Path = strings.TrimSuffix(endpoint.Path, "/"); endpoint.Path != "" && endpoint.Path != "/v2" {
				settings += "override_path = true\n"
			}
			mirrors += fmt.Sprintf("[host.%q]\ncapabilities = [\"pull\", \"resolve\"]\n%s", endpoint, settings)
		}
		files[host] = []byte(text + mirrors)
	}
	return files, nil
}

// server is the line that says who answers for a registry's name.
func server(registry string) string {
	if registry == "docker.io" {
		registry = "registry-1.docker.io"
	}
	return fmt.Sprintf("server = %q\n", "https://"+registry)
}

// String is whom to trust and what to show, as hosts.toml has it.
func (t trust) String() (text string) {
	if t.CA != "" {
		text += fmt.Sprintf("ca = %q\n", t.CA)
	}
	if t.Certificate != "" {
		text += fmt.Sprintf("client = [[%q, %q]]\n", t.Certificate, t.Key)
	}
	if t.InsecureSkipVerify {
		text += "skip_verify = true\n"
	}
	return text
}
