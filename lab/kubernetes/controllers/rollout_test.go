package controllers

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

func deployment(replicas int32, surge, unavailable *intstr.IntOrString) *clusterv1.MachineDeployment {
	d := &clusterv1.MachineDeployment{}
	d.Spec.Replicas = &replicas
	d.Spec.Rollout.Strategy.RollingUpdate.MaxSurge, d.Spec.Rollout.Strategy.RollingUpdate.MaxUnavailable = surge, unavailable
	return d
}

func number(n int32) *intstr.IntOrString   { v := intstr.FromInt32(n); return &v }
func percent(s string) *intstr.IntOrString { v := intstr.FromString(s); return &v }

func TestLimitsOfARollout(t *testing.T) {
	for _, test := range []struct {
		name               string
		replicas           int32
		surge, unavailable *intstr.IntOrString
		wantSurge, wantOff int32
	}{
		{"defaults", 3, nil, nil, 1, 0},
		{"given", 3, number(0), number(1), 0, 1},
		{"percent: surge up, unavailable down", 3, percent("50%"), percent("50%"), 2, 1},
		{"both nought would never move", 3, number(0), number(0), 0, 1},
	} {
		surge, off, err := limits(deployment(test.replicas, test.surge, test.unavailable))
		if err != nil || surge != test.wantSurge || off != test.wantOff {
			t.Errorf("%s: surge %d, unavailable %d, %v", test.name, surge, off, err)
		}
	}
}

// The hash decides whether Machines are replaced: by what is in them, not by what only labels or times them.
func TestTemplateHashCoversWhatMakesAnotherMachine(t *testing.T) {
	base := clusterv1.MachineTemplateSpec{}
	base.Spec.Version = "v1.36.3"
	base.Spec.InfrastructureRef.Name = "a"
	same := *base.DeepCopy()
	same.Labels = map[string]string{"x": "y"}
	seconds := int32(300)
	same.Spec.Deletion.NodeDrainTimeoutSeconds = &seconds
	if templateHash(base) != templateHash(same) {
		t.Error("labels or time-outs changed the hash")
	}
	for name, change := range map[string]func(*clusterv1.MachineTemplateSpec){
		"version":        func(s *clusterv1.MachineTemplateSpec) { s.Spec.Version = "v1.36.4" },
		"infrastructure": func(s *clusterv1.MachineTemplateSpec) { s.Spec.InfrastructureRef.Name = "b" },
		"bootstrap":      func(s *clusterv1.MachineTemplateSpec) { s.Spec.Bootstrap.ConfigRef.Name = "b" },
		"failure domain": func(s *clusterv1.MachineTemplateSpec) { s.Spec.FailureDomain = "nova" },
	} {
		other := *base.DeepCopy()
		change(&other)
		if templateHash(base) == templateHash(other) {
			t.Errorf("%s did not change the hash", name)
		}
	}
}

func TestRemediationsAllowed(t *testing.T) {
	for _, test := range []struct {
		name               string
		limit              *intstr.IntOrString
		targets, unhealthy int32
		wanted             int32
	}{
		{"all by default", nil, 3, 3, 0},
		{"one of three", number(1), 3, 1, 0},
		{"two are too many", number(1), 3, 2, -1},
		{"40% of 5", percent("40%"), 5, 1, 1},
	} {
		check := &clusterv1.MachineHealthCheck{}
		check.Spec.Remediation.TriggerIf.UnhealthyLessThanOrEqualTo = test.limit
		if got, err := remediations(check, test.targets, test.unhealthy); err != nil || got != test.wanted {
			t.Errorf("%s: %d, %v", test.name, got, err)
		}
	}
}

func TestLowestVersion(t *testing.T) {
	machines := make([]clusterv1.Machine, 3)
	for i, version := range []string{"v1.36.10", "v1.36.9", "v1.37.0"} {
		machines[i].Spec.Version = version
	}
	if got := lowestVersion(machines); got != "v1.36.9" {
		t.Error(got)
	}
}
