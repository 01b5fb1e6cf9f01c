#!/bin/bash
# Which cluster kubectl talks to.
#   KUBECONFIG_FILE (unset or empty: k3s on this machine)

use_cluster() { export KUBECONFIG=${KUBECONFIG_FILE:-/etc/rancher/k3s/k3s.yaml}; }
