// Package cni writes a node's CNI configuration: one bridge for the node's addresses, with the names of flannel's files, as
// k3s has them too. Upstream analogue: flannel's CNI plugin, which delegates to the same plugins.
package cni

import (
	"bytes"
	"encoding/json"
	"os"
)

// File is the configuration's name in its folder.
const File = "10-flannel.conflist"

type object = map[string]any

// Write writes the configuration, unless it is there: containerd loads it anew whenever the folder changes. Packets are of
// the plugin's default size where mtu is 0.
func Write(path, subnet string, mtu int, masquerade bool) error {
	content, err := json.MarshalIndent(object{"name": "cbr0", "cniVersion": "1.0.0", "plugins": []object{
		{
			"type": "bridge", "bridge": "cni0", "mtu": mtu, "isDefaultGateway": true, "forceAddress": true, "hairpinMode": true, "ipMasq": masquerade,
			"ipam": object{"type": "host-local", "ranges": [][]object{{{"subnet": subnet}}}},
		},
		{"type": "portmap", "capabilities": object{"portMappings": true}},
	}}, "", "  ")
	if err != nil {
		return err
	}
	if written, _ := os.ReadFile(path); bytes.Equal(written, content) {
		return nil
	}
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
