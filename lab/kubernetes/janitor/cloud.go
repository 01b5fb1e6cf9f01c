package janitor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// cloud is a project on an OpenStack site.
type cloud struct {
	network, loadBalancer, volume *gophercloud.ServiceClient
}

// signIn uses the clouds.yaml in the secret. Its cacert is trusted besides the image's authorities.
func signIn(ctx context.Context, secret *corev1.Secret, name string) (*cloud, error) {
	content, err := withoutPaths(secret.Data["clouds.yaml"], name)
	if err != nil {
		return nil, fmt.Errorf("clouds.yaml in secret %s: %w", secret.Name, err)
	}
	auth, endpoint, settings, err := clouds.Parse(clouds.WithCloudName(name), clouds.WithCloudsYAML(strings.NewReader(string(content))))
	if err != nil {
		return nil, fmt.Errorf("clouds.yaml in secret %s: %w", secret.Name, err)
	}
	if auth.ApplicationCredentialID != "" || auth.ApplicationCredentialName != "" {
		// Keystone refuses a scope beside an application credential, which has its project's.
		auth.Scope, auth.TenantID, auth.TenantName = nil, "", ""
	}
	if settings == nil {
		settings = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if authorities := secret.Data["cacert"]; len(authorities) > 0 {
		if settings.RootCAs, err = x509.SystemCertPool(); err != nil {
			settings.RootCAs = x509.NewCertPool()
		}
		if !settings.RootCAs.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("cacert in secret %s holds no certificate", secret.Name)
		}
	}
	provider, err := openstack.NewClient(auth.IdentityEndpoint)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = settings
	provider.HTTPClient = http.Client{Transport: transport, Timeout: time.Minute}
	if err := openstack.Authenticate(ctx, provider, auth); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	made := &cloud{}
	if made.network, err = openstack.NewNetworkV2(provider, endpoint); err != nil {
		return nil, err
	}
	if made.loadBalancer, err = openstack.NewLoadBalancerV2(provider, endpoint); err != nil {
		return nil, err
	}
	made.volume, err = openstack.NewBlockStorageV3(provider, endpoint)
	return made, err
}

// withoutPaths drops what names files: those of the machine that the clouds.yaml was written on.
func withoutPaths(content []byte, name string) ([]byte, error) {
	var document struct {
		Clouds map[string]map[string]any `json:"clouds"`
	}
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, errors.New("it is not valid YAML") // the parser's message would quote secrets
	}
	if _, ok := document.Clouds[name]; !ok {
		return nil, fmt.Errorf("it has no cloud %q", name)
	}
	for _, key := range []string{"cacert", "cert", "key"} {
		delete(document.Clouds[name], key)
	}
	return yaml.Marshal(document)
}
