package controllers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	infrav1 "sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// cloud is a project on an OpenStack site, reached with the credentials of one secret.
type cloud struct {
	compute, network, image, loadBalancer, volume *gophercloud.ServiceClient
}

// clouds keeps a cloud for each secret and cloud name, so that a token is asked for once. A changed secret is used at
// once. Upstream analogue: the scope cache of Cluster API Provider OpenStack.
type cloudCache struct {
	mu    sync.Mutex
	known map[string]*cloud
}

func newCloudCache() *cloudCache { return &cloudCache{known: map[string]*cloud{}} }

// credentialsMissing is the error of a secret that is not there. Deletion waits on it for ever, as upstream's does.
type credentialsMissing struct{ secret client.ObjectKey }

func (e credentialsMissing) Error() string {
	return fmt.Sprintf("failed to get secret %s: secrets %q not found", e.secret, e.secret.Name)
}

// get signs in with the clouds.yaml in the secret that identity names. The secret's cacert is trusted besides the
// machine's own authorities; a path in clouds.yaml is not followed (there is no such file in a controller).
func (c *cloudCache) get(ctx context.Context, reader client.Reader, namespace string, identity infrav1.OpenStackIdentityReference) (*cloud, error) {
	if identity.Type != "" && identity.Type != "Secret" {
		return nil, fmt.Errorf("identityRef.type %q is not implemented here (legal: Secret)", identity.Type)
	}
	key := client.ObjectKey{Namespace: namespace, Name: identity.Name}
	secret := &corev1.Secret{}
	if err := reader.Get(ctx, key, secret); apierrors.IsNotFound(err) {
		return nil, credentialsMissing{key}
	} else if err != nil {
		return nil, err
	}
	id := strings.Join([]string{key.String(), string(secret.UID), secret.ResourceVersion, identity.CloudName, identity.Region}, " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.known[id]; ok {
		return known, nil
	}
	made, err := signIn(ctx, secret, identity)
	if err != nil {
		return nil, err
	}
	for other := range c.known { // older versions of this secret
		if strings.HasPrefix(other, key.String()+" "+string(secret.UID)) && strings.HasSuffix(other, identity.CloudName+" "+identity.Region) {
			delete(c.known, other)
		}
	}
	c.known[id] = made
	return made, nil
}

func signIn(ctx context.Context, secret *corev1.Secret, identity infrav1.OpenStackIdentityReference) (*cloud, error) {
	content, ok := secret.Data["clouds.yaml"]
	if !ok {
		return nil, fmt.Errorf("OpenStack credentials secret %s did not contain key clouds.yaml", secret.Name)
	}
	content, err := withoutPaths(content, identity.CloudName)
	if err != nil {
		return nil, fmt.Errorf("clouds.yaml in secret %s: %w", secret.Name, err)
	}
	auth, endpoint, tlsConfig, err := clouds.Parse(clouds.WithCloudName(identity.CloudName), clouds.WithCloudsYAML(strings.NewReader(string(content))))
	if err != nil {
		return nil, fmt.Errorf("clouds.yaml in secret %s: %w", secret.Name, err)
	}
	if identity.Region != "" {
		endpoint.Region = identity.Region
	}
	if auth.ApplicationCredentialID != "" || auth.ApplicationCredentialName != "" {
		// Keystone refuses a scope beside an application credential, which has its project's.
		auth.Scope, auth.TenantID, auth.TenantName = nil, "", ""
	}
	auth.AllowReauth = true
	if tlsConfig == nil {
		tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if authorities := secret.Data["cacert"]; len(strings.TrimSpace(string(authorities))) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("cacert in secret %s holds no certificate", secret.Name)
		}
		tlsConfig.RootCAs = pool
	}
	provider, err := openstack.NewClient(auth.IdentityEndpoint)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = tlsConfig
	transport.Proxy = nil
	provider.HTTPClient = http.Client{Transport: transport, Timeout: 60 * time.Second}
	provider.UserAgent.Prepend("cluster-api-provider-openstack-lab")
	if err := openstack.Authenticate(ctx, provider, auth); err != nil {
		return nil, fmt.Errorf("providerClient authentication err: %w", err)
	}
	made := &cloud{}
	for _, service := range []struct {
		target **gophercloud.ServiceClient
		make   func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
	}{
		{&made.compute, openstack.NewComputeV2}, {&made.network, openstack.NewNetworkV2}, {&made.image, openstack.NewImageV2},
		{&made.loadBalancer, openstack.NewLoadBalancerV2}, {&made.volume, openstack.NewBlockStorageV3},
	} {
		if *service.target, err = service.make(provider, endpoint); err != nil {
			return nil, fmt.Errorf("failed to create OpenStack service client: %w", err)
		}
	}
	made.compute.Microversion = "2.60" // as upstream: tags at creation need 2.52
	return made, nil
}

// withoutPaths drops what names files: those of the machine that the clouds.yaml was written on.
func withoutPaths(content []byte, cloudName string) ([]byte, error) {
	document := struct {
		Clouds map[string]map[string]any `json:"clouds"`
	}{}
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, errors.New("it is not valid YAML") // the parser's message would quote secrets
	}
	if _, ok := document.Clouds[cloudName]; !ok {
		return nil, fmt.Errorf("it has no cloud %q", cloudName)
	}
	for _, key := range []string{"cacert", "cert", "key"} {
		delete(document.Clouds[cloudName], key)
	}
	return yaml.Marshal(document)
}

// gone tells that OpenStack does not know the object (any more).
func gone(err error) bool { return gophercloud.ResponseCodeIs(err, http.StatusNotFound) }

// busy tells that OpenStack cannot do it yet: a load balancer or port that something else is being done to.
func busy(err error) bool { return gophercloud.ResponseCodeIs(err, http.StatusConflict) }
