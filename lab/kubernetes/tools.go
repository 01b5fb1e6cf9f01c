//go:build tools

// Package tools holds modules in go.mod that only branches not yet merged import.
package tools

import (
	_ "github.com/container-storage-interface/spec/lib/go/csi"
	_ "github.com/containerd/containerd/v2/client"
	_ "github.com/nikolalohinski/gonja/v2"
	_ "sigs.k8s.io/controller-runtime"
	_ "k8s.io/cloud-provider/app"
	_ "k8s.io/cloud-provider/options"
	_ "k8s.io/mount-utils"
)
