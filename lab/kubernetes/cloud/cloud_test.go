package cloud

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type object = map[string]any

// keystone signs in with the secret "right", names the services a Cloud has, and notes what it was sent.
type keystone struct {
	*httptest.Server
	signIns []string
}

func newKeystone(t *testing.T) *keystone {
	k := &keystone{}
	answer := func(w http.ResponseWriter, code int, body object) {
		w.Header().Set("X-Subject-Token", "token")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(body)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/auth/tokens", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		k.signIns = append(k.signIns, string(body))
		if !strings.Contains(string(body), `"secret":"right"`) {
			answer(w, 401, object{"error": object{"message": "The request you have made requires authentication."}})
			return
		}
		service := func(kind, path string) object {
			return object{"type": kind, "endpoints": []object{{"interface": "public", "region": "lab", "region_id": "lab", "url": k.URL + path}}}
		}
		answer(w, 201, object{"token": object{"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": []object{service("compute", "/compute/v2.1/"), service("block-storage", "/volume/v3/")}}})
	})
	k.Server = httptest.NewTLSServer(mux)
	t.Cleanup(k.Close)
	return k
}

func write(t *testing.T, name, content string) string {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const cloudsYAML = `
clouds:
  openstack:
    auth_type: v3applicationcredential
    auth: { auth_url: %q, application_credential_id: id, application_credential_secret: %s, project_id: not-for-keystone }
    region_name: lab
    interface: public
    verify: true
    cacert: /of/another/machine
`

// conf is a cloud.conf as the chart openstack-cluster writes it, with the site's clouds.yaml beside it.
func conf(t *testing.T, site *keystone, secret, tls string) io.Reader {
	clouds := write(t, "clouds.yaml", fmt.Sprintf(cloudsYAML, site.URL+"/v3/", secret))
	return strings.NewReader("[Global]\nuse-clouds=true\nclouds-file=" + clouds + "\ncloud=openstack\n" + tls +
		"\n[Networking]\ninternal-network-name=net\n[LoadBalancer]\nfloating-network-id=outer\n")
}

func TestTheCertificateCountsUnlessTLSIsInsecure(t *testing.T) {
	site := newKeystone(t)
	authority := write(t, "cacert", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw})))
	for tls, works := range map[string]bool{
		"ca-file=" + authority:                            true,
		"tls-insecure=true":                               true,
		"tls-insecure=true\n[global]\ntls-insecure=false": false,
		"": false,
	} {
		_, err := Connect(t.Context(), conf(t, site, "right", tls))
		if (err == nil) != works {
			t.Errorf("with %q: %v", tls, err)
		}
		if err != nil && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("with %q: %v", tls, err)
		}
	}
}

func TestTheCredentialIsSentWithoutAScope(t *testing.T) {
	site := newKeystone(t)
	made, err := Connect(t.Context(), conf(t, site, "right", "tls-insecure=true"))
	if err != nil {
		t.Fatal(err)
	}
	if made.Region != "lab" || made.InternalNetwork != "net" || made.Volume.Endpoint != site.URL+"/volume/v3/" {
		t.Error(made.Region, made.InternalNetwork, made.Volume.Endpoint)
	}
	if len(site.signIns) != 1 || strings.Contains(site.signIns[0], "scope") || !strings.Contains(site.signIns[0], `"id":"id"`) {
		t.Error(site.signIns)
	}
	_, err = Connect(t.Context(), conf(t, site, "wrong", "tls-insecure=true"))
	if err == nil || !strings.Contains(err.Error(), "sign in at "+site.URL) || strings.Contains(err.Error(), "wrong") {
		t.Error(err)
	}
}

func TestSettingsThatCannotBeUsed(t *testing.T) {
	for text, wanted := range map[string]string{
		"key=value\n":                              "section",
		"[Global]\nclouds-file=/nowhere\n":         "/nowhere",
		"[Global]\nclouds-file=/dev/null\ncloud=x": `"x" not found`,
	} {
		if _, err := Connect(t.Context(), strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
