package agent

import (
	"io/fs"
	"net/netip"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"capi-mgmt/lab/kubernetes/pki"

	"github.com/sirupsen/logrus"
)

// host is what the node's programs have to be told about the machine. A container (systemd-nspawn) differs from a virtual
// machine in all of it.
type host struct {
	groupsV1    bool // control groups are of version 1, which a kubelet refuses unless told otherwise
	systemd     bool // this is a unit of systemd, which then makes the control groups
	resources   bool // limits may be raised and OOM scores lowered (CAP_SYS_RESOURCE)
	allDevices  bool // no device is withheld: privileged containers can have all
	sharedDisks bool // how full the root disk is says nothing about this machine
}

const capSysResource = 24

func examine(root fs.FS) host {
	has := func(name string) bool { _, err := fs.Stat(root, name); return err == nil }
	return host{
		groupsV1: !has("sys/fs/cgroup/cgroup.controllers"), systemd: has("run/systemd/system") && os.Getenv("INVOCATION_ID") != "",
		resources: capable(root, capSysResource), allDevices: allDevices(root), sharedDisks: has("run/systemd/container"),
	}
}

func capable(root fs.FS, capability uint) bool {
	for _, line := range lines(root, "proc/self/status") {
		if value, found := strings.CutPrefix(line, "CapEff:"); found {
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && set&(1<<capability) != 0
		}
	}
	return false
}

// allDevices reads the device rules of this process's control group. Version 2 has no file that tells.
func allDevices(root fs.FS) bool {
	for _, line := range lines(root, "proc/self/cgroup") {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 || parts[1] != "devices" {
			continue
		}
		rules := lines(root, path.Join("sys/fs/cgroup/devices", parts[2], "devices.list"))
		return len(rules) == 0 || strings.HasPrefix(rules[0], "a ")
	}
	return true
}

// lines are a file's, none where it cannot be read.
func lines(root fs.FS, name string) []string {
	content, _ := fs.ReadFile(root, name)
	return slices.Collect(strings.Lines(string(content)))
}

// setKernel sets what pods' networks need. Where it may not, the machine's owner has to have done it.
func setKernel() {
	for _, name := range []string{"net/ipv4/conf/all/forwarding", "net/ipv4/conf/default/forwarding", "net/bridge/bridge-nf-call-iptables"} {
		file := "/proc/sys/" + name
		if content, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(content)) == "1" {
			continue
		}
		if err := os.WriteFile(file, []byte("1"), 0o644); err != nil {
			logrus.Warnf("kernel setting %s: %v", name, err)
		}
	}
}

// resolvConf is the file that pods get: the machine's, or one of its own where that names no server that pods could ask. As
// upstream, whose own one names a public server.
func (n *Node) resolvConf(machines string) (string, error) {
	for _, line := range lines(os.DirFS("/"), strings.TrimPrefix(machines, "/")) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if address, err := netip.ParseAddr(fields[1]); err == nil && address.IsGlobalUnicast() {
			return machines, nil
		}
	}
	own := n.path("etc", "resolv.conf")
	return own, pki.WriteFile(own, []byte("nameserver 8.8.8.8\n"), 0o644)
}
