// Package cloud is what programs in clusters need of the OpenStack site beneath: a client that has signed in with a
// clouds.yaml, and the settings in cloud.conf. Upstream analogue: pkg/client of cloud-provider-openstack.
package cloud

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"gopkg.in/gcfg.v1"
	certutil "k8s.io/client-go/util/cert"
	"sigs.k8s.io/yaml"
)

// Session is a project's, signed in.
type Session struct {
	*gophercloud.ProviderClient
	Endpoint gophercloud.EndpointOpts
}

// SignIn uses an entry of a clouds.yaml. Only the authorities given count, where some are; files that the entry names are
// those of the machine that it was written on, and do not.
func SignIn(ctx context.Context, cloudsYAML []byte, name string, authorities []byte, insecure bool) (*Session, error) {
	var document clouds.Clouds
	if yaml.Unmarshal(cloudsYAML, &document) != nil {
		return nil, errors.New("clouds.yaml is not valid YAML") // the parser's message would quote secrets
	}
	if entry, known := document.Clouds[name]; known {
		entry.CACertFile, entry.ClientCertFile, entry.ClientKeyFile = "", "", ""
		document.Clouds[name] = entry
	}
	content, err := yaml.Marshal(document)
	if err != nil {
		return nil, err
	}
	auth, endpoint, _, err := clouds.Parse(clouds.WithCloudName(name), clouds.WithCloudsYAML(bytes.NewReader(content)))
	if err != nil {
		return nil, err
	}
	auth.AllowReauth = true
	if auth.ApplicationCredentialSecret != "" {
		// Keystone refuses a scope beside an application credential, which has its project's.
		auth.Scope, auth.TenantID, auth.TenantName = nil, "", ""
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure}
	if len(authorities) > 0 {
		if trust.RootCAs, err = certutil.NewPoolFromBytes(authorities); err != nil {
			return nil, fmt.Errorf("authorities: %w", err)
		}
	}
	provider, err := config.NewProviderClient(ctx, auth, config.WithTLSConfig(trust), config.WithHTTPClient(http.Client{Timeout: time.Minute}))
	if err != nil {
		return nil, fmt.Errorf("sign in at %s: %w", auth.IdentityEndpoint, err)
	}
	return &Session{provider, endpoint}, nil
}

// Cloud is a project on an OpenStack site.
type Cloud struct {
	Compute, Volume *gophercloud.ServiceClient
	Region          string
	// InternalNetwork is the network whose addresses are nodes' internal ones. Empty: every network.
	InternalNetwork string
}

// Connect signs in as a cloud.conf says, by the clouds.yaml that it names.
func Connect(ctx context.Context, conf io.Reader) (*Cloud, error) {
	var settings struct {
		Global struct {
			CloudsFile  string `gcfg:"clouds-file"`
			Cloud       string
			CAFile      string `gcfg:"ca-file"`
			TLSInsecure bool   `gcfg:"tls-insecure"`
		}
		Networking struct {
			InternalNetworkName string `gcfg:"internal-network-name"`
		}
	}
	if err := gcfg.FatalOnly(gcfg.ReadInto(&settings, conf)); err != nil {
		return nil, err
	}
	global := settings.Global
	cloudsYAML, err := os.ReadFile(global.CloudsFile)
	if err != nil {
		return nil, err
	}
	var authorities []byte
	if global.CAFile != "" {
		if authorities, err = os.ReadFile(global.CAFile); err != nil {
			return nil, err
		}
	}
	session, err := SignIn(ctx, cloudsYAML, global.Cloud, authorities, global.TLSInsecure)
	if err != nil {
		return nil, err
	}
	made := &Cloud{Region: session.Endpoint.Region, InternalNetwork: settings.Networking.InternalNetworkName}
	if made.Compute, err = openstack.NewComputeV2(session.ProviderClient, session.Endpoint); err != nil {
		return nil, err
	}
	made.Compute.Microversion = "2.60" // a server's flavor by name needs 2.47
	if made.Volume, err = openstack.NewBlockStorageV3(session.ProviderClient, session.Endpoint); err != nil {
		return nil, err
	}
	made.Volume.Microversion = "3.42" // growing an attached volume
	return made, nil
}

// NotFound tells that OpenStack does not know the object (any more).
func NotFound(err error) bool { return gophercloud.ResponseCodeIs(err, http.StatusNotFound) }
