// Command cniconf writes a node's CNI configuration from what flanneld has found out, and again when that changes.
// Upstream analogue: flannel's CNI plugin, which no module registry serves; it reads the same file and delegates to the
// same bridge and host-local plugins with the same values.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/klog/v2"
)

type object = map[string]any

// configuration is the conflist for the lines NAME=VALUE of flannel's subnet.env.
func configuration(found string) ([]byte, error) {
	values := map[string]string{}
	for line := range strings.Lines(found) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = value
	}
	mtu, err := strconv.Atoi(values["FLANNEL_MTU"])
	if err != nil {
		return nil, fmt.Errorf("FLANNEL_MTU: %w", err)
	}
	subnet, err := netip.ParsePrefix(values["FLANNEL_SUBNET"]) // the node's own address on it
	if err != nil {
		return nil, fmt.Errorf("FLANNEL_SUBNET: %w", err)
	}
	bridge := object{
		"type": "bridge", "bridge": "cni0", "mtu": mtu, "isGateway": true, "hairpinMode": true,
		"ipMasq": values["FLANNEL_IPMASQ"] == "false", // flanneld does it otherwise
		"ipam": object{
			"type":   "host-local",
			"ranges": [][]object{{{"subnet": subnet.Masked().String()}}},
			"routes": []object{{"dst": "0.0.0.0/0"}},
		},
	}
	portmap := object{"type": "portmap", "capabilities": object{"portMappings": true}}
	return json.MarshalIndent(object{"name": "cbr0", "cniVersion": "1.0.0", "plugins": []object{bridge, portmap}}, "", "  ")
}

// write puts the file in place as a whole: containerd reads the folder whenever it changes.
func write(path string, content []byte) error {
	next := filepath.Join(filepath.Dir(path), ".new")
	if err := os.WriteFile(next, content, 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func main() {
	from := flag.String("subnet-file", "/run/flannel/subnet.env", "what flanneld has written")
	to := flag.String("cni-config", "/etc/cni/net.d/10-flannel.conflist", "what is written")
	flag.Parse()
	for last := ""; ; time.Sleep(time.Second) {
		found, err := os.ReadFile(*from)
		if err != nil || string(found) == last {
			continue // flanneld is not there yet, or nothing has changed
		}
		content, err := configuration(string(found))
		if err == nil {
			err = write(*to, content)
		}
		if err != nil {
			klog.ErrorS(err, "not written")
			continue
		}
		last = string(found)
		klog.InfoS("written", "path", *to)
	}
}
