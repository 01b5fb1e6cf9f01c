package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func runningMachine() (*clusterv1.Machine, *unstructured.Unstructured) {
	yes, secret := true, "data"
	m := &clusterv1.Machine{}
	m.Spec.ProviderID, m.Spec.Bootstrap.DataSecretName = "openstack:///1", &secret
	m.Status.Initialization.InfrastructureProvisioned = &yes
	return m, &unstructured.Unstructured{Object: map[string]any{"kind": "OpenStackMachine", "status": map[string]any{"ready": true}}}
}

// An API server that does not answer for a moment must not look like a node that is gone: a health check would replace it.
func TestMachineKeepsWhatWasKnownOfItsNodeWhileTheClusterIsAway(t *testing.T) {
	m, infrastructure := runningMachine()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
	c := machineController{}
	c.conditions(m, nil, infrastructure, node, true)
	if !isTrue(m, clusterv1.MachineReadyCondition) || m.Status.Phase != "Running" {
		t.Fatalf("%s: %s", m.Status.Phase, message(m, clusterv1.MachineReadyCondition))
	}
	c.conditions(m, nil, infrastructure, nil, false)
	if !isTrue(m, clusterv1.MachineReadyCondition) {
		t.Errorf("cluster away: %s", message(m, clusterv1.MachineReadyCondition))
	}
	c.conditions(m, nil, infrastructure, nil, true)
	if isTrue(m, clusterv1.MachineReadyCondition) || message(m, clusterv1.MachineNodeHealthyCondition) != "Node n has been deleted while the Machine still exists" {
		t.Errorf("node gone: %s", message(m, clusterv1.MachineNodeHealthyCondition))
	}
}

func TestMachineOfABrokenServerSaysWhy(t *testing.T) {
	m, infrastructure := runningMachine()
	infrastructure.Object["status"] = map[string]any{"ready": false, "conditions": []any{map[string]any{"type": "InstanceReady", "status": "False", "message": "server a is in state ERROR: No valid host was found."}}}
	machineController{}.conditions(m, nil, infrastructure, nil, true)
	if got := message(m, clusterv1.MachineInfrastructureReadyCondition); got != "InstanceReady: server a is in state ERROR: No valid host was found." {
		t.Error(got)
	}
}
