package controllers

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func at(o map[string]any, path ...string) any {
	value, _, _ := unstructured.NestedFieldNoCopy(o, path...)
	return value
}

// A field that moved between the versions must be found in both: with the apiVersion rewritten only, it would be lost.
func TestConvertMovesFieldsBetweenVersions(t *testing.T) {
	for _, test := range []struct {
		name, object, desired string
		wanted                map[string][]string
	}{
		{"MachineDeployment strategy", `
apiVersion: cluster.x-k8s.io/v1beta1
kind: MachineDeployment
metadata: {name: a}
spec:
  clusterName: c
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 2, maxUnavailable: 0}}
  template: {spec: {clusterName: c, bootstrap: {configRef: {apiVersion: bootstrap.cluster.x-k8s.io/v1beta1, kind: KubeadmConfigTemplate, name: b}}, infrastructureRef: {apiVersion: infrastructure.cluster.x-k8s.io/v1beta1, kind: OpenStackMachineTemplate, name: i}}}
`, "cluster.x-k8s.io/v1beta2", map[string][]string{
			"2":                               {"spec", "rollout", "strategy", "rollingUpdate", "maxSurge"},
			"infrastructure.cluster.x-k8s.io": {"spec", "template", "spec", "infrastructureRef", "apiGroup"},
			"KubeadmConfigTemplate":           {"spec", "template", "spec", "bootstrap", "configRef", "kind"},
		}},
		{"KubeadmControlPlane infrastructure", `
apiVersion: controlplane.cluster.x-k8s.io/v1beta1
kind: KubeadmControlPlane
metadata: {name: a}
spec:
  version: v1.36.3
  kubeadmConfigSpec: {clusterConfiguration: {scheduler: {extraArgs: {bind-address: 0.0.0.0}}}}
  machineTemplate: {infrastructureRef: {apiVersion: infrastructure.cluster.x-k8s.io/v1beta1, kind: OpenStackMachineTemplate, name: i}}
`, "controlplane.cluster.x-k8s.io/v1beta2", map[string][]string{"i": {"spec", "machineTemplate", "spec", "infrastructureRef", "name"}}},
		{"Cluster conditions", `
apiVersion: cluster.x-k8s.io/v1beta2
kind: Cluster
metadata: {name: a}
spec: {infrastructureRef: {apiGroup: infrastructure.cluster.x-k8s.io, kind: OpenStackCluster, name: a}}
status:
  conditions: [{type: Available, status: "True", reason: Available, message: "", lastTransitionTime: "2026-01-01T00:00:00Z"}]
  initialization: {controlPlaneInitialized: true}
`, "cluster.x-k8s.io/v1beta1", map[string][]string{"true": {"status", "controlPlaneReady"}, "infrastructure.cluster.x-k8s.io/v1beta1": {"spec", "infrastructureRef", "apiVersion"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			converted, err := Convert(parse(t, test.object), test.desired)
			if err != nil {
				t.Fatal(err)
			}
			if converted["apiVersion"] != test.desired {
				t.Errorf("apiVersion is %v", converted["apiVersion"])
			}
			for value, path := range test.wanted {
				if got := at(converted, path...); text(got) != value {
					t.Errorf("%v is %v, not %v", path, got, value)
				}
			}
		})
	}
}

func text(value any) string {
	data, _ := yaml.Marshal(value)
	return string(data[:max(0, len(data)-1)])
}

// v1beta1 readers look for today's conditions in status.v1beta2.
func TestConvertKeepsConditionsReadableInBothVersions(t *testing.T) {
	converted, err := Convert(parse(t, `
apiVersion: cluster.x-k8s.io/v1beta2
kind: Cluster
metadata: {name: a}
status:
  conditions: [{type: Available, status: "True", reason: Available, message: "", lastTransitionTime: "2026-01-01T00:00:00Z"}]
  deprecated: {v1beta1: {conditions: [{type: Ready, status: "True", lastTransitionTime: "2026-01-01T00:00:00Z"}]}}
`), "cluster.x-k8s.io/v1beta1")
	if err != nil {
		t.Fatal(err)
	}
	for path, kind := range map[string]string{"v1beta2": "Available", "": "Ready"} {
		status := []string{"status", "conditions"}
		if path != "" {
			status = []string{"status", path, "conditions"}
		}
		list, _ := at(converted, status...).([]any)
		if len(list) != 1 || at(list[0].(map[string]any), "type") != kind {
			t.Errorf("%v is %v, not one condition %s", status, list, kind)
		}
	}
}

func TestConvertOnlyRewritesTheVersionOfOtherKinds(t *testing.T) {
	object := parse(t, `{apiVersion: example.org/v1, kind: Thing, spec: {a: 1}}`)
	converted, err := Convert(object, "example.org/v2")
	if err != nil {
		t.Fatal(err)
	}
	if wanted := parse(t, `{apiVersion: example.org/v2, kind: Thing, spec: {a: 1}}`); !reflect.DeepEqual(converted, wanted) {
		t.Errorf("%v", converted)
	}
}
