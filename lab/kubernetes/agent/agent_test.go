package agent

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"capi-mgmt/lab/kubernetes/options"

	"github.com/pelletier/go-toml/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// node is one as on a machine that withholds what its host has.
func node(t *testing.T, h host) *Node {
	t.Helper()
	o := &options.Server{DataDir: t.TempDir(), NodeName: "seed", NodeAddress: net.IPv4(192, 168, 100, 10), ServiceCIDR: net.IPNet{IP: net.IPv4(10, 43, 0, 0).To4(), Mask: net.CIDRMask(16, 32)}, ClusterDomain: "cluster.local"}
	return &Node{options: o, dir: Dir(o), bin: "/data/bin", host: h}
}

// at gives the value at a path of keys.
func at(t *testing.T, tree map[string]any, path ...string) any {
	t.Helper()
	var value any = tree
	for _, key := range path {
		inner, ok := value.(map[string]any)
		if !ok {
			t.Fatalf("nothing at %q of %q", key, path)
		}
		value = inner[key]
	}
	return value
}

func TestWhatAContainerWithholdsIsFound(t *testing.T) {
	file := func(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }
	t.Setenv("INVOCATION_ID", "x")
	virtual := examine(fstest.MapFS{
		"sys/fs/cgroup/cgroup.controllers": file("cpu memory"), "proc/self/status": file("Name:\tk3s\nCapEff:\t000001ffffffffff\n"),
		"proc/self/cgroup": file("0::/system.slice/k3s.service\n"), "run/systemd/system/x": file(""),
	})
	if (virtual != host{systemd: true, resources: true, allDevices: true}) {
		t.Errorf("a virtual machine: %+v", virtual)
	}
	container := examine(fstest.MapFS{
		"proc/self/status": file("CapEff:\t000001fffeffffff\n"), "proc/self/cgroup": file("5:memory:/x\n4:devices:/system.slice/k3s.service\n"),
		"sys/fs/cgroup/devices/system.slice/k3s.service/devices.list": file("c 1:3 rwm\n"), "run/systemd/container": file("systemd-nspawn"),
	})
	if (container != host{groupsV1: true, sharedDisks: true}) {
		t.Errorf("a container: %+v", container)
	}
}

func TestContainerdIsToldOfTheMachine(t *testing.T) {
	for _, h := range []host{{}, {systemd: true, resources: true, allDevices: true}} {
		content, err := node(t, h).containerdConfig(&registries{})
		if err != nil {
			t.Fatal(err)
		}
		var config map[string]any
		if err := toml.Unmarshal(content, &config); err != nil {
			t.Fatal(err)
		}
		runtime := at(t, config, "plugins", "io.containerd.cri.v1.runtime").(map[string]any)
		runc := at(t, runtime, "containerd", "runtimes", "runc").(map[string]any)
		if runtime["restrict_oom_score_adj"] == h.resources || runc["privileged_without_host_devices"] == h.allDevices || at(t, runc, "options", "SystemdCgroup") != h.systemd {
			t.Errorf("%+v: %s", h, content)
		}
		if image := at(t, config, "plugins", "io.containerd.cri.v1.images", "pinned_images", "sandbox"); image != "rancher/mirrored-pause:3.6" {
			t.Errorf("pause image %v", image)
		}
	}
}

func TestContainerdsProxy(t *testing.T) {
	own := []string{"HTTP_PROXY=http://all", "CONTAINERD_HTTP_PROXY=http://pulls", "CONTAINERD_NO_PROXY=10.0.0.0/8"}
	got := append(own, node(t, host{}).ContainerdEnvironment(own)...)
	last := map[string]string{}
	for _, variable := range got {
		name, value, _ := strings.Cut(variable, "=")
		last[name] = value
	}
	if last["HTTP_PROXY"] != "http://pulls" || last["NO_PROXY"] != "10.0.0.0/8" || !strings.HasPrefix(last["PATH"], "/data/bin:") {
		t.Errorf("%q", got)
	}
}

func TestKubeletIsToldOfTheMachine(t *testing.T) {
	for _, h := range []host{{groupsV1: true, sharedDisks: true}, {systemd: true}} {
		content, err := node(t, h).kubeletConfig()
		if err != nil {
			t.Fatal(err)
		}
		var config map[string]any
		if err := yaml.Unmarshal(content, &config); err != nil {
			t.Fatal(err)
		}
		_, told := config["failCgroupV1"]
		if told != h.groupsV1 || (config["cgroupDriver"] == "systemd") != h.systemd || (at(t, config, "evictionHard", "nodefs.available") == "0%") != h.sharedDisks {
			t.Errorf("%+v: %s", h, content)
		}
		if dns := config["clusterDNS"].([]any); dns[0] != "10.43.0.10" {
			t.Errorf("DNS %v", dns)
		}
	}
}

func TestOperatorsArgumentsComeLast(t *testing.T) {
	n := node(t, host{})
	n.options.KubeletArguments = []string{"max-pods=50", "--node-ip=10.0.0.1"}
	got := n.KubeletArguments()
	if !slices.Equal(got[len(got)-2:], []string{"--max-pods=50", "--node-ip=10.0.0.1"}) {
		t.Errorf("%q", got)
	}
}

func TestResolvConf(t *testing.T) {
	n := node(t, host{})
	machines := filepath.Join(t.TempDir(), "resolv.conf")
	for content, want := range map[string]string{
		"nameserver 127.0.0.53\n": n.path("etc", "resolv.conf"), "": n.path("etc", "resolv.conf"), "nameserver 127.0.0.1\nnameserver 10.0.0.2\n": machines,
	} {
		if err := os.WriteFile(machines, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := n.resolvConf(machines); got != want || err != nil {
			t.Errorf("%q: %s, %v", content, got, err)
		}
	}
}

func TestReadyCountsOnlyFromThisStart(t *testing.T) {
	began := metav1.Now()
	at := func(seconds int) *corev1.Node {
		heartbeat := metav1.Unix(began.Unix()+int64(seconds), 0)
		return &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: heartbeat}}}}
	}
	if isReady(at(-10), began.Rfc3339Copy()) {
		t.Error("an earlier start's word counts")
	}
	if !isReady(at(1), began.Rfc3339Copy()) {
		t.Error("not Ready")
	}
	tainted := at(1)
	tainted.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeNotReady}}
	if isReady(tainted, began.Rfc3339Copy()) {
		t.Error("Ready while pods are kept away")
	}
}
