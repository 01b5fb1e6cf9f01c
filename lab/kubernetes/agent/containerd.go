package agent

import (
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

type table = map[string]any

// containerdConfig is agent/etc/containerd/config.toml.
func (n *Node) containerdConfig(registries *registries) ([]byte, error) {
	return toml.Marshal(table{
		"version": 3, "root": n.path("containerd"), "state": stateDir,
		"grpc": table{"address": Socket},
		"plugins": table{
			"io.containerd.internal.v1.opt": table{"path": n.path("containerd")},
			"io.containerd.cri.v1.images": table{
				"snapshotter": "overlayfs", "pinned_images": table{"sandbox": "rancher/mirrored-pause:3.6"},
				"registry": table{"config_path": n.path("etc", "containerd", "certs.d"), "configs": registries.logins()},
			},
			"io.containerd.cri.v1.runtime": table{
				"enable_unprivileged_ports": true, "enable_unprivileged_icmp": true,
				// Without the capability runc fails on every pod with a negative score.
				"restrict_oom_score_adj": !n.host.resources,
				"cni":                    table{"bin_dirs": []string{n.bin}, "conf_dir": n.path("etc", "cni", "net.d")},
				"containerd": table{"runtimes": table{"runc": table{
					"runtime_type": "io.containerd.runc.v2",
					// "All devices" cannot be granted in a control group that has not all.
					"privileged_without_host_devices": !n.host.allDevices,
					"options":                         table{"SystemdCgroup": n.host.systemd},
				}}},
			},
		},
	})
}

// ContainerdArguments are containerd's.
func (n *Node) ContainerdArguments() []string {
	return []string{"--config", n.path("etc", "containerd", "config.toml")}
}

// ContainerdLog is where containerd's log goes.
func (n *Node) ContainerdLog() (*os.File, error) {
	return os.Create(n.path("containerd", "containerd.log"))
}

// ContainerdEnvironment is what containerd gets besides k3s's own: what there is called CONTAINERD_X, as X. Proxies may be
// for containerd alone.
func (n *Node) ContainerdEnvironment(own []string) []string {
	given := []string{"PATH=" + n.bin + string(os.PathListSeparator) + os.Getenv("PATH")}
	for _, variable := range own {
		if rest, found := strings.CutPrefix(variable, "CONTAINERD_"); found {
			given = append(given, rest)
		}
	}
	return given
}
