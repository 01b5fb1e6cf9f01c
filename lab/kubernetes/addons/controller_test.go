package addons

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"
)

// program acts for helm: it notes its arguments in calls, keeps one release in the files history and values, and fails with
// what the file fail says. What it cannot show is whether helm takes these arguments: the lab's clusters do.
const program = `#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> calls
case $1 in
history) cat history 2>/dev/null || { echo 'Error: release: not found' >&2; exit 1; } ;;
pull) mkdir -p "$9/$2" ;;
upgrade)
  if [ -e fail ]; then cat fail >&2; exit 1; fi
  rm -rf made; cp -r "$3" made; cat > values
  while [ "$1" != --description ]; do shift; done
  printf '[{"revision":1,"status":"deployed","description":"%s"}]' "$2" > history ;;
uninstall) rm -f history ;;
esac
`

type fixture struct {
	*testing.T
	*reconciler
	folder string
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

// site is a management cluster with the Cluster c1, whose conditions are as said, and one addon.
func site(t *testing.T, conditions, addon string) fixture {
	t.Helper()
	o := parse(t, addon)
	o.SetAPIVersion(version)
	o.SetNamespace("clusters")
	cluster := parse(t, `{apiVersion: cluster.x-k8s.io/v1beta2, kind: Cluster, metadata: {name: c1, namespace: clusters, uid: u1}, spec: {infrastructureRef: {name: c1}}, status: {conditions: [`+conditions+`]}}`)
	infrastructure := parse(t, `{apiVersion: infrastructure.cluster.x-k8s.io/v1beta1, kind: OpenStackCluster, metadata: {name: c1, namespace: clusters}, spec: {identityRef: {name: identity}}, status: {network: {name: inner}}}`)
	secret := func(name, key, value string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "clusters"}, Data: map[string][]byte{key: []byte(value)}}
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "helm"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithStatusSubresource(object(version, o.GetKind())).
		WithObjects(o, cluster, infrastructure, secret("identity", "clouds.yaml", "clouds: {}"), secret("c1-kubeconfig", "value", "kubeconfig"),
			secret("config", "overrides", "network: {{ infra_cluster.status.network.name }}\nlist: [b]\n")).Build()
	return fixture{t, &reconciler{Client: c, kind: o.GetKind(), helm: filepath.Join(folder, "helm"), recorder: events.NewFakeRecorder(20)}, folder}
}

var key = client.ObjectKey{Namespace: "clusters", Name: "a1"}

func (f fixture) round() time.Duration {
	f.Helper()
	result, err := f.Reconcile(f.Context(), ctrl.Request{NamespacedName: key})
	if err != nil {
		f.Fatal(err)
	}
	return result.RequeueAfter
}

func (f fixture) now() *unstructured.Unstructured {
	f.Helper()
	o := object(version, f.kind)
	if err := f.Get(f.Context(), key, o); err != nil {
		f.Fatal(err)
	}
	return o
}

func (f fixture) status(field string) string {
	f.Helper()
	text, _, _ := unstructured.NestedString(f.now().Object, "status", field)
	return text
}

func (f fixture) file(name string) string {
	content, err := os.ReadFile(filepath.Join(f.folder, name))
	if err != nil && !os.IsNotExist(err) {
		f.Fatal(err)
	}
	return string(content)
}

// calls are the commands of helm since the last time.
func (f fixture) calls() []string {
	var out []string
	for line := range strings.Lines(f.file("calls")) {
		out = append(out, strings.Fields(line)[0])
	}
	_ = os.Remove(filepath.Join(f.folder, "calls"))
	return out
}

func (f fixture) change(change func(o *unstructured.Unstructured)) {
	f.Helper()
	o := f.now()
	change(o)
	if err := f.Update(f.Context(), o); err != nil {
		f.Fatal(err)
	}
}

func (f fixture) equal(what string, got, wanted any) {
	f.Helper()
	if g, ok := got.([]string); ok && slices.Equal(g, wanted.([]string)) {
		return
	} else if !ok && got == wanted {
		return
	}
	f.Errorf("%s: %v, want %v", what, got, wanted)
}

const (
	initialized = `{type: ControlPlaneInitialized, status: "True"}`
	release     = `{kind: HelmRelease, metadata: {name: a1}, spec: {clusterName: c1, bootstrap: BOOTSTRAP, targetNamespace: net, releaseName: cni,
  chart: {repo: "http://charts", name: flannel, version: 1.2.3}, valuesSources: [{template: "list: [a]"}, {secret: {name: config, key: overrides}}]}}`
)

func helmRelease(bootstrap string) string { return strings.ReplaceAll(release, "BOOTSTRAP", bootstrap) }

func TestReleaseIsMadeOnceAndAgainWhenItChanges(t *testing.T) {
	f := site(t, initialized, helmRelease("true"))
	f.round()
	f.equal("phase", f.status("phase"), "Deployed")
	f.equal("calls", f.calls(), []string{"history", "pull", "upgrade"})
	f.equal("values", f.file("values"), `{"list":["a","b"],"network":"inner"}`)
	o := f.now()
	if owners := o.GetOwnerReferences(); len(owners) != 1 || owners[0].Name != "c1" || !slices.Contains(o.GetFinalizers(), finalizer) {
		t.Errorf("owners %v, finalizers %v", owners, o.GetFinalizers())
	}
	for _, label := range []string{"config.secret.addons.stackhpc.com/uses", "identity.secret.addons.stackhpc.com/uses"} {
		if _, ok := o.GetLabels()[label]; !ok {
			t.Errorf("label %s is missing", label)
		}
	}
	f.round()
	f.equal("calls, nothing changed", f.calls(), []string{"history"})
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "config", Namespace: "clusters"}, Data: map[string][]byte{"overrides": []byte("network: other")}}
	if err := f.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	f.round()
	f.equal("calls, another value", f.calls(), []string{"history", "pull", "upgrade"})
	f.equal("values", f.file("values"), `{"list":["a"],"network":"other"}`)
	f.change(func(o *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(o.Object, "1.2.4", "spec", "chart", "version")
	})
	f.round()
	f.equal("calls, another version", f.calls(), []string{"history", "pull", "upgrade"})
}

func TestAddonsWaitForTheirCluster(t *testing.T) {
	for _, c := range []struct{ name, conditions, bootstrap, phase string }{
		{"bootstrap, no API", ``, "true", "Pending"},
		{"bootstrap, API", initialized, "true", "Deployed"},
		{"other, API only", initialized, "false", "Pending"},
		{"other, not available", `{type: Available, status: "False"}`, "false", "Pending"},
		{"other, available", `{type: Available, status: "True"}`, "false", "Deployed"},
	} {
		f := site(t, c.conditions, helmRelease(c.bootstrap))
		wait := f.round()
		f.equal(c.name, f.status("phase"), c.phase)
		f.equal(c.name+": looked at again", wait > 0, c.phase == "Pending")
	}
}

func TestFailuresOfHelm(t *testing.T) {
	f := site(t, initialized, helmRelease("true"))
	fail := filepath.Join(f.folder, "fail")
	_ = os.WriteFile(fail, []byte("Error: Kubernetes cluster unreachable: connection refused"), 0o600)
	f.equal("wait after a passing failure", f.round(), retry)
	f.equal("phase", f.status("phase"), "Installing")
	_ = os.WriteFile(fail, []byte("Error: values don't meet the specifications of the schema(s): replicaz"), 0o600)
	f.equal("wait after a lasting failure", f.round(), time.Duration(0))
	f.equal("phase", f.status("phase"), "Failed")
	f.equal("message", f.status("failureMessage"), "values don't meet the specifications of the schema(s): replicaz")
	_ = os.Remove(fail)
	f.round()
	f.equal("phase", f.status("phase"), "Deployed")
	f.equal("message", f.status("failureMessage"), "")
}

func TestInterruptedInstallationIsUndoneFirst(t *testing.T) {
	f := site(t, initialized, helmRelease("true"))
	_ = os.WriteFile(filepath.Join(f.folder, "history"), []byte(`[{"status":"pending-install"}]`), 0o600)
	f.round()
	f.equal("calls", f.calls(), []string{"history", "uninstall", "pull", "upgrade"})
	f.equal("phase", f.status("phase"), "Deployed")
}

func TestManifestsBecomeARelease(t *testing.T) {
	f := site(t, initialized, `{kind: Manifests, metadata: {name: a1}, spec: {clusterName: c1, bootstrap: true, targetNamespace: net, releaseName: m1, manifestSources: [
  {template: "kind: ConfigMap\ndata: {network: {{ infra_cluster.status.network.name }}}\n---\nkind: Secret\nstringData: {go: '{% raw %}{{ x }}{% endraw %}'}\n"}]}}`)
	f.round()
	f.equal("phase", f.status("phase"), "Deployed")
	f.equal("first", strings.TrimSpace(f.file("made/templates/000.yaml")), "kind: ConfigMap\ndata: {network: inner}")
	f.equal("second", strings.TrimSpace(f.file("made/templates/001.yaml")), `kind: Secret`+"\n"+`stringData: {go: '{{ "{{" }} x }}'}`)
	f.calls()
	f.round()
	f.equal("calls, nothing changed", f.calls(), []string{"history"})
	f.change(func(o *unstructured.Unstructured) {
		_ = unstructured.SetNestedSlice(o.Object, []any{map[string]any{"template": "kind: ConfigMap"}}, "spec", "manifestSources")
	})
	f.round()
	f.equal("calls, other manifests", f.calls(), []string{"history", "upgrade"})
}

func TestTemplateThatCannotBeFilledFails(t *testing.T) {
	f := site(t, initialized, `{kind: Manifests, metadata: {name: a1}, spec: {clusterName: c1, bootstrap: true, targetNamespace: net, releaseName: m1, manifestSources: [{template: "{{ nowhere }}"}]}}`)
	f.round()
	f.equal("phase", f.status("phase"), "Failed")
	if !strings.Contains(f.status("failureMessage"), "nowhere") {
		t.Error(f.status("failureMessage"))
	}
}

func TestDeletionUninstallsUnlessTheClusterGoes(t *testing.T) {
	for _, whole := range []bool{false, true} {
		f := site(t, initialized, helmRelease("true"))
		f.round()
		f.calls()
		if whole {
			cluster := cluster()
			_ = f.Get(t.Context(), client.ObjectKey{Namespace: "clusters", Name: "c1"}, cluster)
			cluster.SetFinalizers([]string{"cluster.cluster.x-k8s.io"})
			_ = f.Update(t.Context(), cluster)
			_ = f.Delete(t.Context(), cluster)
		}
		if err := f.Delete(t.Context(), f.now()); err != nil {
			t.Fatal(err)
		}
		f.round()
		f.equal("uninstalled", slices.Contains(f.calls(), "uninstall"), !whole)
		if err := f.Get(t.Context(), key, object(version, f.kind)); err == nil {
			t.Error("the addon is still there")
		}
	}
}
