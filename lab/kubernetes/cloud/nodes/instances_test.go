package nodes

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"capi-mgmt/lab/kubernetes/cloud"

	"github.com/gophercloud/gophercloud/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	cloudprovider "k8s.io/cloud-provider"
)

type object = map[string]any

// connected is the provider with a Nova of two servers, which ends with the test or before.
func connected(t *testing.T, network string) (*httptest.Server, cloudprovider.InstancesV2) {
	address := func(addr, kind string) object { return object{"addr": addr, "OS-EXT-IPS:type": kind} }
	known := []object{
		{
			"id": "s1", "name": "node-1", "status": "ACTIVE", "flavor": object{"original_name": "lab.worker"}, "OS-EXT-AZ:availability_zone": "nova",
			"addresses": object{
				"net":     []object{address("192.168.3.4", "fixed"), address("203.0.113.9", "floating")},
				"storage": []object{address("10.0.0.4", "fixed")},
			},
		},
		{"id": "s11", "name": "node-11", "status": "SHUTOFF"},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /servers/detail", func(w http.ResponseWriter, r *http.Request) {
		named := regexp.MustCompile(r.FormValue("name")) // as Nova takes it
		found := slices.DeleteFunc(slices.Clone(known), func(s object) bool { return !named.MatchString(s["name"].(string)) })
		_ = json.NewEncoder(w).Encode(object{"servers": found})
	})
	mux.HandleFunc("GET /servers/{id}", func(w http.ResponseWriter, r *http.Request) {
		for _, server := range known {
			if server["id"] == r.PathValue("id") {
				_ = json.NewEncoder(w).Encode(object{"server": server})
				return
			}
		}
		http.Error(w, `{"itemNotFound": {"code": 404}}`, http.StatusNotFound)
	})
	nova := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(nova.Close)
	client := &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: nova.URL + "/"}
	return nova, provider{&cloud.Cloud{Compute: client, Region: "lab", InternalNetwork: network}}
}

func node(name, id string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{ProviderID: id}}
}

func TestANodeIsDescribedByItsServer(t *testing.T) {
	_, instances := connected(t, "net")
	for _, asked := range []*corev1.Node{node("node-1", ""), node("another-name", "openstack:///s1"), node("", "openstack://lab/s1")} {
		got, err := instances.InstanceMetadata(context.Background(), asked)
		if err != nil {
			t.Fatal(err)
		}
		want := &cloudprovider.InstanceMetadata{
			ProviderID: "openstack:///s1", InstanceType: "lab.worker", Zone: "nova", Region: "lab",
			NodeAddresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: "192.168.3.4"}, {Type: corev1.NodeExternalIP, Address: "203.0.113.9"},
				{Type: corev1.NodeHostName, Address: "node-1"},
			},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
	}
}

func TestWithoutAnInternalNetworkEveryFixedAddressIsInternal(t *testing.T) {
	_, instances := connected(t, "")
	got, err := instances.InstanceMetadata(context.Background(), node("node-1", ""))
	if err != nil || len(got.NodeAddresses) != 4 || got.NodeAddresses[2].Address != "10.0.0.4" {
		t.Fatal(got, err)
	}
}

func TestANodeOfADeletedServerDoesNotExist(t *testing.T) {
	site, instances := connected(t, "net")
	ctx := context.Background()
	for asked, want := range map[*corev1.Node]bool{node("node-1", "openstack:///s1"): true, node("node-1", "openstack:///gone"): false, node("node-2", ""): false} {
		exists, err := instances.InstanceExists(ctx, asked)
		if err != nil || exists != want {
			t.Error(asked.Name, asked.Spec.ProviderID, exists, err)
		}
	}
	if down, err := instances.InstanceShutdown(ctx, node("node-11", "")); err != nil || !down {
		t.Error(down, err)
	}
	if _, err := instances.InstanceExists(ctx, node("node-1", "kind://docker/s1")); err == nil || !strings.Contains(err.Error(), "kind://docker/s1") {
		t.Error(err)
	}
	// A cloud that does not answer must not cost a node.
	site.Close()
	if exists, err := instances.InstanceExists(ctx, node("node-1", "openstack:///s1")); err == nil {
		t.Error("no error", exists)
	}
}
