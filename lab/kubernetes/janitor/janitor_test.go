package janitor

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

var key = client.ObjectKey{Namespace: "clusters", Name: "c1"}

type site struct {
	*testing.T
	*reconciler
	left    int
	failure error
	asked   []string // what the purge was asked for
	volumes bool
}

// newSite has one OpenStackCluster with the provider's finalizer, and its credentials.
func newSite(t *testing.T, annotations map[string]string) *site {
	t.Helper()
	o := openStackCluster()
	o.SetNamespace(key.Namespace)
	o.SetName(key.Name)
	o.SetLabels(map[string]string{clusterLabel: "capi-mgmt-c1"})
	o.SetAnnotations(annotations)
	o.SetFinalizers([]string{"openstackcluster.infrastructure.cluster.x-k8s.io"})
	o.Object["spec"] = map[string]any{"identityRef": map[string]any{"name": "credentials", "cloudName": "openstack"}}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "credentials", Namespace: key.Namespace}}
	s := &site{T: t, reconciler: &reconciler{volumes: "delete", retry: time.Minute, recorder: events.NewFakeRecorder(10)}}
	s.Client = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(o, secret).Build()
	s.purge = func(_ context.Context, secret *corev1.Secret, cloud, cluster string, volumes bool) (int, error) {
		s.asked, s.volumes = append(s.asked, secret.Name+" "+cloud+" "+cluster), volumes
		return s.left, s.failure
	}
	return s
}

func (s *site) round() time.Duration {
	s.Helper()
	result, err := s.Reconcile(s.Context(), ctrl.Request{NamespacedName: key})
	if err != nil {
		s.Fatal(err)
	}
	return result.RequeueAfter
}

// finalizers are those of the cluster, none when it is gone.
func (s *site) finalizers() []string {
	o := openStackCluster()
	if err := s.Get(s.Context(), key, o); err != nil {
		return nil
	}
	return o.GetFinalizers()
}

func (s *site) delete() {
	s.Helper()
	o := openStackCluster()
	o.SetNamespace(key.Namespace)
	o.SetName(key.Name)
	if err := s.Delete(s.Context(), o); err != nil {
		s.Fatal(err)
	}
}

func TestClusterIsKeptUntilNothingIsLeft(t *testing.T) {
	s := newSite(t, nil)
	s.round()
	if got := s.finalizers(); len(got) != 2 || len(s.asked) != 0 {
		t.Fatalf("finalizers %v, asked %v", got, s.asked)
	}
	s.delete()
	s.left = 2
	if wait := s.round(); wait != again || len(s.finalizers()) != 2 {
		t.Errorf("two are left: wait %s, finalizers %v", wait, s.finalizers())
	}
	s.left, s.failure = 0, errors.New("octavia is down")
	if wait := s.round(); wait != time.Minute || len(s.finalizers()) != 2 {
		t.Errorf("a failure: wait %s, finalizers %v", wait, s.finalizers())
	}
	s.failure = nil
	s.round()
	if got := s.finalizers(); len(got) != 1 {
		t.Errorf("finalizers %v", got)
	}
	if s.asked[0] != "credentials openstack capi-mgmt-c1" || !s.volumes {
		t.Errorf("asked for %v, volumes %v", s.asked, s.volumes)
	}
}

func TestVolumesAreKeptWhenTheClusterSaysSo(t *testing.T) {
	s := newSite(t, map[string]string{volumesPolicy: "keep"})
	s.round()
	s.delete()
	s.round()
	if s.volumes {
		t.Error("volumes were to be kept")
	}
}
