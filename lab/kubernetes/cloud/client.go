package cloud

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
)

// Cloud is a project on an OpenStack site.
type Cloud struct {
	Compute, Volume *gophercloud.ServiceClient
	Region          string
	// InternalNetwork is the network whose addresses are nodes' internal ones. Empty: every network.
	InternalNetwork string
}

// Connect signs in with the settings of a cloud.conf. As upstream, only the authorities in ca-file count where there is
// one, and nothing is verified where tls-insecure is true.
func Connect(ctx context.Context, settings Settings, userAgent string) (*Cloud, error) {
	global, err := settings.global()
	if err != nil {
		return nil, err
	}
	provider, err := openstack.NewClient(global["auth-url"])
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: global["tls-insecure"] == "true"}
	if file := global["ca-file"]; file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("%s holds no certificate", file)
		}
	}
	provider.HTTPClient = http.Client{Transport: transport, Timeout: time.Minute}
	provider.UserAgent.Prepend(userAgent)
	if err := openstack.Authenticate(ctx, provider, authOptions(global)); err != nil {
		return nil, fmt.Errorf("sign in at %s: %w", global["auth-url"], err)
	}
	endpoint := gophercloud.EndpointOpts{Region: global["region"], Availability: gophercloud.Availability(global["os-endpoint-type"])}
	made := &Cloud{Region: global["region"], InternalNetwork: settings["networking"]["internal-network-name"]}
	if made.Compute, err = openstack.NewComputeV2(provider, endpoint); err != nil {
		return nil, err
	}
	made.Compute.Microversion = "2.60" // a server's flavor by name needs 2.47
	if made.Volume, err = openstack.NewBlockStorageV3(provider, endpoint); err != nil {
		return nil, err
	}
	made.Volume.Microversion = "3.42" // growing an attached volume
	return made, nil
}

func authOptions(global map[string]string) gophercloud.AuthOptions {
	options := gophercloud.AuthOptions{
		IdentityEndpoint:            global["auth-url"],
		ApplicationCredentialID:     global["application-credential-id"],
		ApplicationCredentialName:   global["application-credential-name"],
		ApplicationCredentialSecret: global["application-credential-secret"],
		UserID:                      global["user-id"],
		Username:                    global["username"],
		Password:                    global["password"],
		DomainID:                    global["user-domain-id"],
		DomainName:                  global["user-domain-name"],
		AllowReauth:                 true,
	}
	if options.ApplicationCredentialSecret == "" {
		// Keystone refuses a scope beside an application credential, which has its project's.
		options.TenantID, options.TenantName = global["tenant-id"], global["tenant-name"]
	}
	return options
}

// NotFound tells that OpenStack does not know the object (any more).
func NotFound(err error) bool { return gophercloud.ResponseCodeIs(err, http.StatusNotFound) }
