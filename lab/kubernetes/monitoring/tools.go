//go:build tools

// Package tools names the programs of the monitoring stack, so that `go mod tidy` keeps what they need. Prometheus is
// built with the tags remove_all_sd and enable_kubernetes_sd: without the other discoveries it takes a third of the time.
package tools

import (
	_ "github.com/prometheus-operator/prometheus-operator/cmd/operator"
	_ "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader"
	_ "github.com/prometheus/node_exporter"
	_ "github.com/prometheus/prometheus/cmd/prometheus"
)
