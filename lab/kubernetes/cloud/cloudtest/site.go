// Package cloudtest plays Keystone, Nova and Cinder over HTTP for tests of what signs in to them.
package cloudtest

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Object is a server or volume as JSON.
type Object = map[string]any

// Site is a small OpenStack. Objects are changed under Lock.
type Site struct {
	sync.Mutex
	*httptest.Server
	Servers, Volumes map[string]Object
	// Requests lists method and path of what was asked, SignIns the bodies sent to Keystone.
	Requests []string
	SignIns  []string
}

// New starts a site with TLS; it ends with the test.
func New(t *testing.T) *Site {
	site := &Site{Servers: map[string]Object{}, Volumes: map[string]Object{}}
	mux := http.NewServeMux()
	site.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site.Lock()
		defer site.Unlock()
		site.Requests = append(site.Requests, r.Method+" "+r.URL.RequestURI())
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(site.Close)
	mux.HandleFunc("GET /v3/{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, Object{"version": Object{"id": "v3.14", "status": "stable", "links": []Object{{"rel": "self", "href": site.URL + "/v3/"}}}})
	})
	mux.HandleFunc("POST /v3/auth/tokens", site.signIn)
	mux.HandleFunc("GET /compute/v2.1/servers/detail", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, Object{"servers": named(site.Servers, r.FormValue("name"))})
	})
	mux.HandleFunc("GET /compute/v2.1/servers/{id}", func(w http.ResponseWriter, r *http.Request) { show(w, "server", site.Servers[r.PathValue("id")]) })
	mux.HandleFunc("POST /compute/v2.1/servers/{id}/os-volume_attachments", site.attach)
	mux.HandleFunc("DELETE /compute/v2.1/servers/{id}/os-volume_attachments/{volume}", func(w http.ResponseWriter, r *http.Request) {
		volume := site.Volumes[r.PathValue("volume")]
		volume["status"], volume["attachments"] = "available", []Object{}
		w.WriteHeader(202)
	})
	mux.HandleFunc("GET /volume/v3/volumes/detail", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, Object{"volumes": named(site.Volumes, "^"+regexp.QuoteMeta(r.FormValue("name"))+"$")})
	})
	mux.HandleFunc("GET /volume/v3/volumes/{id}", func(w http.ResponseWriter, r *http.Request) { show(w, "volume", site.Volumes[r.PathValue("id")]) })
	mux.HandleFunc("POST /volume/v3/volumes", func(w http.ResponseWriter, r *http.Request) {
		volume := read(r)["volume"].(Object)
		volume["id"], volume["status"] = fmt.Sprintf("volume-%d-of-the-test-site", len(site.Volumes)+1), "available"
		site.Volumes[volume["id"].(string)] = volume
		answer(w, 202, Object{"volume": volume})
	})
	mux.HandleFunc("POST /volume/v3/volumes/{id}/action", func(w http.ResponseWriter, r *http.Request) {
		site.Volumes[r.PathValue("id")]["size"] = read(r)["os-extend"].(Object)["new_size"]
		w.WriteHeader(202)
	})
	mux.HandleFunc("DELETE /volume/v3/volumes/{id}", func(w http.ResponseWriter, r *http.Request) {
		if site.Volumes[r.PathValue("id")] == nil {
			show(w, "volume", nil)
			return
		}
		delete(site.Volumes, r.PathValue("id"))
		w.WriteHeader(202)
	})
	return site
}

// Authority writes the certificate that signed the site's into a folder.
func (s *Site) Authority(t *testing.T, folder string) string {
	block := &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}
	return Write(t, folder, "cacert", string(pem.EncodeToMemory(block)))
}

// Write makes a file and gives its path.
func Write(t *testing.T, folder, name, content string) string {
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *Site) signIn(w http.ResponseWriter, r *http.Request) {
	body, _ := json.Marshal(read(r))
	s.SignIns = append(s.SignIns, string(body))
	if !strings.Contains(string(body), `"secret":"right"`) {
		answer(w, 401, Object{"error": Object{"message": "The request you have made requires authentication."}})
		return
	}
	service := func(kind, path string) Object {
		return Object{"type": kind, "endpoints": []Object{{"interface": "public", "region": "lab", "region_id": "lab", "url": s.URL + path}}}
	}
	w.Header().Set("X-Subject-Token", "token")
	answer(w, 201, Object{"token": Object{
		"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": []Object{service("compute", "/compute/v2.1/"), service("block-storage", "/volume/v3/"), service("volumev3", "/volume/v3/")},
	}})
}

func (s *Site) attach(w http.ResponseWriter, r *http.Request) {
	wanted := read(r)["volumeAttachment"].(Object)
	volume := s.Volumes[wanted["volumeId"].(string)]
	volume["status"], volume["attachments"] = "in-use", []Object{{"server_id": r.PathValue("id")}}
	answer(w, 200, Object{"volumeAttachment": wanted})
}

func named(objects map[string]Object, pattern string) []Object {
	found := []Object{}
	for _, object := range objects {
		if regexp.MustCompile(pattern).MatchString(object["name"].(string)) {
			found = append(found, object)
		}
	}
	return found
}

func show(w http.ResponseWriter, kind string, object Object) {
	if object == nil {
		answer(w, 404, Object{"itemNotFound": Object{"code": 404, "message": kind + " could not be found"}})
		return
	}
	answer(w, 200, Object{kind: object})
}

func read(r *http.Request) Object {
	body := Object{}
	_ = json.NewDecoder(r.Body).Decode(&body)
	return body
}

func answer(w http.ResponseWriter, code int, body Object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
