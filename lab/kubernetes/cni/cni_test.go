package cni

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestTheBridgeGetsTheNodesNetwork(t *testing.T) {
	path := filepath.Join(t.TempDir(), File)
	if err := Write(path, "172.17.130.128/25", 1450, false); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Plugins []struct {
			Type   string
			MTU    int
			IPMasq bool
			IPAM   struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatal(err)
	}
	bridge := list.Plugins[0]
	if bridge.Type != "bridge" || bridge.MTU != 1450 || bridge.IPMasq || bridge.IPAM.Ranges[0][0].Subnet != "172.17.130.128/25" || list.Plugins[1].Type != "portmap" {
		t.Error(string(content))
	}
	before, _ := os.Stat(path)
	if err := Write(path, "172.17.130.128/25", 1450, false); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("an unchanged network was written again: containerd loads it anew")
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Error("more than the file is there", left, err)
	}
}
