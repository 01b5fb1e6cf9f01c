package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"
)

// keystone answers for one application credential, with a catalog that points to itself.
func keystone(t *testing.T, secret string) (*httptest.Server, *int) {
	t.Helper()
	calls := 0
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v3/auth/tokens" {
			_, _ = w.Write([]byte(`{"versions":{"values":[{"id":"v3.14","status":"stable","links":[{"rel":"self","href":"` + server.URL + `/v3/"}]}]}}`))
			return
		}
		calls++
		body := map[string]any{}
		_ = json.NewDecoder(r.Body).Decode(&body)
		given := at(body, "auth", "identity", "application_credential", "secret")
		if given != secret || at(body, "auth", "scope") != nil {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}`))
			return
		}
		var catalog []string
		for service, version := range map[string]string{"compute": "v2.1", "network": "v2.0", "image": "v2", "load-balancer": "v2", "block-storage": "v3"} {
			catalog = append(catalog, `{"type":"`+service+`","endpoints":[{"interface":"public","region_id":"RegionOne","region":"RegionOne","url":"`+server.URL+`/`+service+`/`+version+`"}]}`)
		}
		w.Header().Set("X-Subject-Token", "token")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"token":{"expires_at":"2099-01-01T00:00:00.000000Z","catalog":[` + strings.Join(catalog, ",") + `]}}`))
	}))
	t.Cleanup(server.Close)
	return server, &calls
}

func credentials(url, secret string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "creds", UID: "u", ResourceVersion: "1"}, Data: map[string][]byte{"clouds.yaml": []byte(`
clouds:
  openstack:
    auth_type: v3applicationcredential
    auth: {auth_url: "` + url + `/v3", application_credential_id: id, application_credential_secret: ` + secret + `, project_id: p}
    region_name: RegionOne
    interface: public
    cacert: /nowhere/ca.pem
`)}}
}

var identity = infrav1.OpenStackIdentityReference{Name: "creds", CloudName: "openstack"}

func TestSignInOnceForASecret(t *testing.T) {
	server, calls := keystone(t, "right")
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(credentials(server.URL, "right")).Build()
	cache := newCloudCache()
	for range 2 {
		// A path in clouds.yaml and a project beside the application credential must not get in the way.
		if _, err := cache.get(context.Background(), reader, "default", identity); err != nil {
			t.Fatal(err)
		}
	}
	if *calls != 1 {
		t.Errorf("%d tokens were asked for", *calls)
	}
}

func TestWrongCredentialsAreToldInKeystonesWordsAndNotKept(t *testing.T) {
	server, calls := keystone(t, "right")
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(credentials(server.URL, "wrong-SECRET")).Build()
	cache := newCloudCache()
	for range 2 {
		_, err := cache.get(context.Background(), reader, "default", identity)
		if err == nil || !strings.Contains(err.Error(), "The request you have made requires authentication.") {
			t.Fatalf("%v", err)
		}
		if strings.Contains(err.Error(), "wrong-SECRET") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	if *calls != 2 {
		t.Errorf("tried %d times", *calls)
	}
}

func TestMissingSecretAndCloudAreNamed(t *testing.T) {
	server, _ := keystone(t, "right")
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(credentials(server.URL, "right")).Build()
	var missing credentialsMissing
	if _, err := newCloudCache().get(context.Background(), reader, "default", infrav1.OpenStackIdentityReference{Name: "gone", CloudName: "openstack"}); !errors.As(err, &missing) {
		t.Errorf("%v", err)
	}
	if _, err := newCloudCache().get(context.Background(), reader, "default", infrav1.OpenStackIdentityReference{Name: "creds", CloudName: "other"}); err == nil || !strings.Contains(err.Error(), `no cloud "other"`) {
		t.Errorf("%v", err)
	}
}

func TestGroupRules(t *testing.T) {
	ids := map[string]string{"controlplane": "cp", "worker": "w"}
	spec := &infrav1.ManagedSecurityGroups{AllowAllInClusterTraffic: true}
	for role, api := range map[string]bool{"controlplane": true, "worker": false} {
		got, err := groupRules(spec, role, ids)
		if err != nil {
			t.Fatal(err)
		}
		open, between := false, 0
		for _, r := range got {
			open = open || (r.Direction == rules.DirIngress && r.PortRangeMin == 6443 && r.RemoteGroupID == "" && r.RemoteIPPrefix == "")
			if r.Direction == rules.DirIngress && r.Protocol == "" {
				between++
			}
		}
		if open != api || between != 2 {
			t.Errorf("%s: API open %v, %d rules for traffic between nodes", role, open, between)
		}
	}
	spec.WorkerNodesSecurityGroupRules = []infrav1.SecurityGroupRuleSpec{{Name: "x", Direction: "ingress", RemoteManagedGroups: []infrav1.ManagedSecurityGroupName{"bastion"}}}
	if _, err := groupRules(spec, "worker", ids); err == nil || !strings.Contains(err.Error(), `"bastion" (legal: controlplane, worker)`) {
		t.Errorf("%v", err)
	}
}

func TestAllowedCIDRsLetTheNodesIn(t *testing.T) {
	o := &infrav1.OpenStackCluster{}
	o.Spec.APIServerLoadBalancer = &infrav1.APIServerLoadBalancer{}
	own := []subnets.Subnet{{CIDR: "192.168.3.0/24"}}
	if got := allowedCIDRs(o, own); got != nil {
		t.Errorf("without a list everyone may come, got %v", got)
	}
	o.Spec.APIServerLoadBalancer.AllowedCIDRs = []string{"203.0.113.9/32", "10.0.0.0/8"}
	o.Status.Router = &infrav1.Router{IPs: []string{"203.0.113.120"}}
	if got, wanted := strings.Join(allowedCIDRs(o, own), " "), "10.0.0.0/8 192.168.3.0/24 203.0.113.120/32 203.0.113.9/32"; got != wanted {
		t.Errorf("%s", got)
	}
}

func TestAddFileKeepsTheRestOfTheCloudConfig(t *testing.T) {
	document, err := cloudConfig{WriteFiles: []cloudFile{{Path: "/a", Content: "1\n"}}, RunCmd: []string{"kubeadm init"}}.render()
	if err != nil {
		t.Fatal(err)
	}
	document, err = addFile(document, cloudFile{Path: labControlPlanePath, Content: `{"port":6443}`})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(document), "#cloud-config\n") {
		t.Error("cloud-init would not read it")
	}
	got := cloudConfig{}
	if err := yaml.Unmarshal(document, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.WriteFiles) != 2 || got.WriteFiles[0].Content != "1\n" || got.WriteFiles[1].Content != `{"port":6443}` || got.RunCmd[0] != "kubeadm init" {
		t.Errorf("%+v", got)
	}
}
