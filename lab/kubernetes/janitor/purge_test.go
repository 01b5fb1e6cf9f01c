package janitor

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// openStack answers as Keystone, Neutron, Octavia and Cinder do, and notes what is deleted.
func openStack(t *testing.T, deleted *[]string) *httptest.Server {
	lists := map[string]any{
		"/floatingips": map[string]any{"floatingips": []any{
			map[string]any{"id": "f-ours", "description": "Floating IP for Kubernetes external service a/b from cluster c1"},
			map[string]any{"id": "f-other", "description": "Floating IP for Kubernetes external service a/b from cluster other-c1x"},
			map[string]any{"id": "f-api", "description": "Created by cluster-api-provider-openstack cluster clusters-c1"}}},
		"/loadbalancers": map[string]any{"loadbalancers": []any{
			map[string]any{"id": "lb-ours", "name": "kube_service_c1_a_b"}, map[string]any{"id": "lb-other", "name": "kube_service_c10_a_b"}}},
		"/security-groups": map[string]any{"security_groups": []any{
			map[string]any{"id": "g-ours", "description": "Security Group for a/b Service LoadBalancer in cluster c1"}, map[string]any{"id": "g-other", "description": "default"}}},
		"/snapshots": map[string]any{"snapshots": []any{map[string]any{"id": "s-ours", "metadata": map[string]string{clusterProperty: "c1"}}}},
		"/volumes": map[string]any{"volumes": []any{
			map[string]any{"id": "v-ours", "metadata": map[string]string{clusterProperty: "c1"}},
			map[string]any{"id": "v-kept", "metadata": map[string]string{clusterProperty: "c1", keepProperty: "true"}},
			map[string]any{"id": "v-other", "metadata": map[string]string{clusterProperty: "c10"}}}},
	}
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodDelete {
			*deleted = append(*deleted, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
			w.WriteHeader(http.StatusConflict) // busy: looked at again with the next round
			return
		}
		if r.Method == http.MethodPost {
			w.Header().Set("X-Subject-Token", "token")
			w.WriteHeader(http.StatusCreated)
			catalog := []any{}
			for kind, path := range map[string]string{"network": "/network/v2.0", "load-balancer": "/lb/v2", "block-storage": "/volume/v3"} {
				catalog = append(catalog, map[string]any{"type": kind, "name": kind, "endpoints": []any{map[string]string{"interface": "public", "region": "r", "region_id": "r", "url": server.URL + path}}})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"token": map[string]any{"catalog": catalog, "expires_at": "2099-01-01T00:00:00.000000Z"}})
			return
		}
		path := strings.TrimSuffix(r.URL.Path, "/detail")
		list, ok := lists[path[strings.LastIndex(path, "/"):]]
		if !ok {
			http.Error(w, `{"error": "no such path"}`, http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(list)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestPurgeDeletesWhatIsTheClustersOnly(t *testing.T) {
	var deleted []string
	server := openStack(t, &deleted)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "credentials"}, Data: map[string][]byte{"clouds.yaml": fmt.Appendf(nil,
		`{clouds: {openstack: {auth_type: v3applicationcredential, region_name: r, cacert: /nowhere, auth: {auth_url: "%s/v3", application_credential_id: a, application_credential_secret: b}}}}`, server.URL)}}
	for _, c := range []struct {
		volumes bool
		wanted  []string
	}{{false, []string{"f-ours", "g-ours", "lb-ours"}}, {true, []string{"f-ours", "g-ours", "lb-ours", "s-ours", "v-ours"}}} {
		deleted = nil
		left, err := purgeOpenStack(t.Context(), secret, "openstack", "c1", c.volumes)
		slices.Sort(deleted)
		if err != nil || left != len(c.wanted) || !slices.Equal(deleted, c.wanted) {
			t.Errorf("volumes %v: left %d, deleted %v, want %v; %v", c.volumes, left, deleted, c.wanted, err)
		}
	}
}

func TestCredentialsAreNotQuoted(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "credentials"}, Data: map[string][]byte{"clouds.yaml": []byte("clouds: [hunter2")}}
	if _, err := purgeOpenStack(t.Context(), secret, "openstack", "c1", true); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	secret.Data["clouds.yaml"] = []byte("clouds: {}")
	if _, err := purgeOpenStack(t.Context(), secret, "openstack", "c1", true); err == nil || !strings.Contains(err.Error(), `cloud "openstack" not found`) {
		t.Error(err)
	}
}
