package cinder

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"capi-mgmt/lab/kubernetes/cloud"

	"github.com/gophercloud/gophercloud/v2"
)

type object = map[string]any

// site plays Nova and Cinder.
type site struct {
	sync.Mutex
	volumes  map[string]object
	requests []string // method and path of what was asked
}

// controller is the driver's part for a site, which ends with the test.
func controller(t *testing.T) (*site, *Controller) {
	s := &site{volumes: map[string]object{}}
	mux := http.NewServeMux()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Lock()
		defer s.Unlock()
		s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
		w.Header().Set("Content-Type", "application/json")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	mux.HandleFunc("POST /compute/servers/{id}/os-volume_attachments", func(w http.ResponseWriter, r *http.Request) {
		wanted := read(r)["volumeAttachment"].(object)
		volume := s.volumes[wanted["volumeId"].(string)]
		volume["status"], volume["attachments"] = "in-use", []object{{"server_id": r.PathValue("id")}}
		answer(w, 200, object{"volumeAttachment": wanted})
	})
	mux.HandleFunc("DELETE /compute/servers/{id}/os-volume_attachments/{volume}", func(w http.ResponseWriter, r *http.Request) {
		volume := s.volumes[r.PathValue("volume")]
		volume["status"], volume["attachments"] = "available", []object{}
		w.WriteHeader(202)
	})
	mux.HandleFunc("GET /volume/volumes/detail", func(w http.ResponseWriter, r *http.Request) {
		found := []object{}
		for _, volume := range s.volumes {
			if regexp.MustCompile("^" + regexp.QuoteMeta(r.FormValue("name")) + "$").MatchString(volume["name"].(string)) {
				found = append(found, volume)
			}
		}
		answer(w, 200, object{"volumes": found})
	})
	mux.HandleFunc("GET /volume/volumes/{id}", func(w http.ResponseWriter, r *http.Request) {
		if s.known(w, r) {
			answer(w, 200, object{"volume": s.volumes[r.PathValue("id")]})
		}
	})
	mux.HandleFunc("POST /volume/volumes", func(w http.ResponseWriter, r *http.Request) {
		volume := read(r)["volume"].(object)
		volume["id"], volume["status"] = fmt.Sprintf("volume-%d-of-the-test-site", len(s.volumes)+1), "available"
		s.volumes[volume["id"].(string)] = volume
		answer(w, 202, object{"volume": volume})
	})
	mux.HandleFunc("POST /volume/volumes/{id}/action", func(w http.ResponseWriter, r *http.Request) {
		s.volumes[r.PathValue("id")]["size"] = read(r)["os-extend"].(object)["new_size"]
		w.WriteHeader(202)
	})
	mux.HandleFunc("DELETE /volume/volumes/{id}", func(w http.ResponseWriter, r *http.Request) {
		if s.known(w, r) {
			delete(s.volumes, r.PathValue("id"))
			w.WriteHeader(202)
		}
	})
	client := func(path string) *gophercloud.ServiceClient {
		return &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: server.URL + path}
	}
	return s, &Controller{Cloud: &cloud.Cloud{Compute: client("/compute/"), Volume: client("/volume/")}, Cluster: "capi-mgmt"}
}

// known answers for a volume that is not there.
func (s *site) known(w http.ResponseWriter, r *http.Request) bool {
	if s.volumes[r.PathValue("id")] == nil {
		answer(w, 404, object{"itemNotFound": object{"code": 404, "message": "volume could not be found"}})
		return false
	}
	return true
}

func (s *site) count(prefix string) (found int) {
	for _, request := range s.requests {
		if strings.HasPrefix(request, prefix) {
			found++
		}
	}
	return found
}

func read(r *http.Request) object {
	body := object{}
	_ = json.NewDecoder(r.Body).Decode(&body)
	return body
}

func answer(w http.ResponseWriter, code int, body object) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
