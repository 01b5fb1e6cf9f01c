// Package cloud is what programs inside a cluster need of the OpenStack site beneath it: the settings in cloud.conf and a
// client that has signed in. Upstream analogue: pkg/client of cloud-provider-openstack.
package cloud

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

// Settings are those of a cloud.conf by section and key, both in lower case, as upstream's parser takes either.
type Settings map[string]map[string]string

// ParseSettings reads a cloud.conf. A section may come twice; the last value of a key counts.
func ParseSettings(reader io.Reader) (Settings, error) {
	settings, section := Settings{}, ""
	lines := bufio.NewScanner(reader)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' && strings.HasSuffix(line, "]") {
			section = strings.ToLower(strings.TrimSpace(line[1 : len(line)-1]))
			continue
		}
		key, value, hasValue := strings.Cut(line, "=")
		if section == "" {
			return nil, fmt.Errorf("cloud.conf line %d: a key before any section", number)
		}
		if settings[section] == nil {
			settings[section] = map[string]string{}
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if !hasValue {
			value = "true"
		}
		settings[section][strings.ToLower(strings.TrimSpace(key))] = value
	}
	return settings, lines.Err()
}

// ReadSettings reads the cloud.conf at a path.
func ReadSettings(path string) (Settings, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ParseSettings(file)
}

// cloudsKeys names the keys of [Global] for those of an entry in clouds.yaml.
var cloudsKeys = map[string]string{
	"auth.auth_url": "auth-url", "auth.application_credential_id": "application-credential-id",
	"auth.application_credential_name": "application-credential-name", "auth.application_credential_secret": "application-credential-secret",
	"auth.user_id": "user-id", "auth.username": "username", "auth.password": "password", "auth.user_domain_id": "user-domain-id",
	"auth.user_domain_name": "user-domain-name", "auth.project_id": "tenant-id", "auth.project_name": "tenant-name",
	"region_name": "region", "interface": "os-endpoint-type", "cacert": "ca-file",
}

// global gives the keys of [Global], those it lacks taken from clouds.yaml where use-clouds says so.
func (s Settings) global() (map[string]string, error) {
	global := map[string]string{}
	for key, value := range s["global"] {
		global[key] = value
	}
	if global["use-clouds"] != "true" {
		return global, nil
	}
	content, err := os.ReadFile(global["clouds-file"])
	if err != nil {
		return nil, err
	}
	document := struct {
		Clouds map[string]map[string]any `json:"clouds"`
	}{}
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, errors.New("clouds.yaml is not valid YAML") // the parser's message would quote secrets
	}
	entry, ok := document.Clouds[global["cloud"]]
	if !ok {
		return nil, fmt.Errorf("%s has no cloud %q", global["clouds-file"], global["cloud"])
	}
	for path, key := range cloudsKeys {
		parent, name, nested := strings.Cut(path, ".")
		from := entry
		if nested {
			from, _ = entry[parent].(map[string]any)
		} else {
			name = parent
		}
		if value, ok := from[name].(string); ok && global[key] == "" {
			global[key] = value
		}
	}
	return global, nil
}
