package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTheBridgeGetsTheNodesNetwork(t *testing.T) {
	content, err := configuration("FLANNEL_NETWORK=172.16.0.0/13\nFLANNEL_SUBNET=172.17.130.129/25\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n")
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
	for found, want := range map[string]string{"FLANNEL_MTU=x\n": "FLANNEL_MTU", "FLANNEL_MTU=1450\nFLANNEL_SUBNET=none\n": "FLANNEL_SUBNET"} {
		if _, err := configuration(found); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(found, err)
		}
	}
}
