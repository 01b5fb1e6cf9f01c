package controllers

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/record"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// machineSetWorld plays the MachineSets' controller and the machines: each turn one machine of each set comes or goes,
// and one that came the turn before is available.
func machineSetWorld(t *testing.T, c client.Client, sets []clusterv1.MachineSet) {
	t.Helper()
	for i := range sets {
		s := &sets[i]
		wanted, have, available := value(s.Spec.Replicas), value(s.Status.Replicas), value(s.Status.AvailableReplicas)
		available = have
		switch {
		case have < wanted:
			have++
		case have > wanted:
			have--
			available = min(available, have)
		}
		s.Status.Replicas, s.Status.AvailableReplicas = &have, &available
		if err := c.Status().Update(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
}

// A rollout never has more machines than maxSurge allows, nor fewer available ones than maxUnavailable allows, and ends.
func TestRolloutKeepsWithinItsLimits(t *testing.T) {
	for _, test := range []struct {
		replicas           int32
		surge, unavailable *intstr.IntOrString
	}{
		{3, number(1), number(0)},
		{3, number(0), number(1)},
		{5, number(2), number(1)},
		{4, percent("50%"), percent("25%")},
		{1, number(1), number(0)},
	} {
		t.Run(fmt.Sprintf("%d machines, %v, %v", test.replicas, test.surge, test.unavailable), func(t *testing.T) {
			ctx := context.Background()
			d := deployment(test.replicas, test.surge, test.unavailable)
			d.Name, d.Namespace, d.UID = "md", "default", "md"
			set := func(name string, replicas int32) *clusterv1.MachineSet {
				s := &clusterv1.MachineSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
				live := replicas
				s.Spec.Replicas, s.Status.Replicas, s.Status.AvailableReplicas = &replicas, &live, &live
				return s
			}
			c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&clusterv1.MachineSet{}).
				WithObjects(set("old", test.replicas), set("new", 0)).Build()
			controller := machineDeploymentController{&base{Client: c, recorder: record.NewFakeRecorder(100), logf: quiet}}
			surge, unavailable, err := limits(d)
			if err != nil {
				t.Fatal(err)
			}
			for turn := range 60 {
				sets := make([]clusterv1.MachineSet, 2)
				for i, name := range []string{"new", "old"} {
					if err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, &sets[i]); err != nil {
						t.Fatal(err)
					}
				}
				have := value(sets[0].Status.Replicas) + value(sets[1].Status.Replicas)
				available := value(sets[0].Status.AvailableReplicas) + value(sets[1].Status.AvailableReplicas)
				if have > test.replicas+surge {
					t.Fatalf("turn %d: %d machines", turn, have)
				}
				if available < test.replicas-unavailable {
					t.Fatalf("turn %d: %d available", turn, available)
				}
				if value(sets[0].Status.AvailableReplicas) == test.replicas && value(sets[1].Status.Replicas) == 0 {
					return
				}
				if err := controller.roll(ctx, d, &sets[0], sets[1:]); err != nil {
					t.Fatal(err)
				}
				for i, name := range []string{"new", "old"} {
					if err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, &sets[i]); err != nil {
						t.Fatal(err)
					}
				}
				machineSetWorld(t, c, sets)
			}
			t.Fatal("not done after 60 turns")
		})
	}
}
