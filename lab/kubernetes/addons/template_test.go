package addons

import (
	"strings"
	"testing"
)

func TestRenderGivesTheCloudConfig(t *testing.T) {
	const template = `apiVersion: v1
kind: Secret
metadata:
  name: cloud-config
data:
  {{ cloud_identity.data | toyaml | indent(2) }}
stringData:
  cloud.conf: |
    [Global]
    cloud=openstack
{%- if "cacert" in cloud_identity.data %}
    ca-file=/etc/config/cacert
{%- else %}
    tls-insecure=true
{%- endif %}
    [Networking]
    internal-network-name={{ infra_cluster.status.network.name }}
{%- if "externalNetwork" in infra_cluster.status %}
    [LoadBalancer]
    floating-network-id={{ infra_cluster.status.externalNetwork.id }}
{%- endif %}
`
	variables := map[string]any{
		"cloud_identity": map[string]any{"data": map[string]any{"clouds.yaml": "Y2xv", "cacert": "LS0t"}},
		"infra_cluster":  map[string]any{"status": map[string]any{"network": map[string]any{"name": "inner"}, "externalNetwork": map[string]any{"id": "outer"}}},
	}
	const wanted = `apiVersion: v1
kind: Secret
metadata:
  name: cloud-config
data:
  cacert: LS0t
  clouds.yaml: Y2xv

stringData:
  cloud.conf: |
    [Global]
    cloud=openstack
    ca-file=/etc/config/cacert
    [Networking]
    internal-network-name=inner
    [LoadBalancer]
    floating-network-id=outer`
	if got, err := render(template, variables); err != nil || got != wanted {
		t.Errorf("%v\n%s", err, got)
	}
	variables["cloud_identity"] = map[string]any{"data": map[string]any{"clouds.yaml": "Y2xv"}}
	variables["infra_cluster"] = map[string]any{"status": map[string]any{"network": map[string]any{"name": "inner"}}}
	if got, err := render(template, variables); err != nil || !strings.Contains(got, "tls-insecure=true") || strings.Contains(got, "floating") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestRenderRefusesWhatIsNotDefined(t *testing.T) {
	for template, wanted := range map[string]string{
		`{{ clouds }}`:                 "clouds",
		`{{ cluster.status.phase }}`:   "status",
		`{{ "x" | frobnicate }}`:       "frobnicate",
		`{% include "/etc/passwd" %}`:  "passwd",
		`{{ "x" | indent(2) | toyaml `: "",
	} {
		if got, err := render(template, map[string]any{"cluster": map[string]any{}}); err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%s: %q, %v", template, got, err)
		}
	}
}
