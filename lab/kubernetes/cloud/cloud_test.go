package cloud_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"capi-mgmt/lab/kubernetes/cloud"
	"capi-mgmt/lab/kubernetes/cloud/cloudtest"
)

const cloudsYAML = `
clouds:
  openstack:
    auth_type: v3applicationcredential
    auth: { auth_url: %q, application_credential_id: id, application_credential_secret: %s, project_id: not-for-keystone }
    region_name: lab
    interface: public
    verify: true
`

// conf is a cloud.conf as the chart openstack-cluster writes it, with the site's clouds.yaml beside it.
func conf(t *testing.T, site *cloudtest.Site, secret, tls string) cloud.Settings {
	clouds := cloudtest.Write(t, t.TempDir(), "clouds.yaml", fmt.Sprintf(cloudsYAML, site.URL+"/v3/", secret))
	text := "[Global]\nuse-clouds=true\nclouds-file=" + clouds + "\ncloud=openstack\n" + tls + "\n[Networking]\ninternal-network-name=net\n"
	settings, err := cloud.ParseSettings(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func TestSettingsAreReadAsUpstreamReadsThem(t *testing.T) {
	settings, err := cloud.ParseSettings(strings.NewReader("# note\n[Global]\nTLS-Insecure = true\nname = \"a b\"\n[global]\ntls-insecure=false\n"))
	if err != nil || settings["global"]["tls-insecure"] != "false" || settings["global"]["name"] != "a b" {
		t.Fatal(settings, err)
	}
	if _, err := cloud.ParseSettings(strings.NewReader("key=value\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Fatal(err)
	}
}

func TestTheCertificateCountsUnlessTLSIsInsecure(t *testing.T) {
	site := cloudtest.New(t)
	authority := site.Authority(t, t.TempDir())
	for tls, works := range map[string]bool{
		"ca-file=" + authority:                            true,
		"tls-insecure=true":                               true,
		"tls-insecure=true\n[global]\ntls-insecure=false": false,
		"": false,
	} {
		_, err := cloud.Connect(context.Background(), conf(t, site, "right", tls), "test")
		if (err == nil) != works {
			t.Errorf("with %q: %v", tls, err)
		}
		if err != nil && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("with %q: %v", tls, err)
		}
	}
}

func TestTheCredentialIsSentWithoutAScope(t *testing.T) {
	site := cloudtest.New(t)
	made, err := cloud.Connect(context.Background(), conf(t, site, "right", "tls-insecure=true"), "test")
	if err != nil {
		t.Fatal(err)
	}
	if made.Region != "lab" || made.InternalNetwork != "net" {
		t.Error(made.Region, made.InternalNetwork)
	}
	if len(site.SignIns) != 1 || strings.Contains(site.SignIns[0], "scope") || !strings.Contains(site.SignIns[0], `"id":"id"`) {
		t.Error(site.SignIns)
	}
	_, err = cloud.Connect(context.Background(), conf(t, site, "wrong", "tls-insecure=true"), "test")
	if err == nil || !strings.Contains(err.Error(), "sign in at "+site.URL) || strings.Contains(err.Error(), "wrong") {
		t.Error(err)
	}
}
