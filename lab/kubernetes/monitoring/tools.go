//go:build tools

// Package tools names the programs of the monitoring stack, so that `go mod tidy` keeps what they need.
package tools

import (
	_ "github.com/prometheus-operator/prometheus-operator/cmd/operator"
	_ "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader"
	_ "github.com/prometheus/node_exporter"
)
