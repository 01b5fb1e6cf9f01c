#!/bin/bash
# Makes k3s the default of kubectl and helm for the seed's user and for root, and prints the kubeconfig for others.
#   SEED_USER, CLUSTER_NAME, API_SERVER

# outside_kubeconfig FILE: with the address that others use. k3s calls everything "default", which is no help beside
# another kubeconfig.
outside_kubeconfig() {
  sed -e "s#^\( *server: \)https://127\.0\.0\.1:[0-9]*#\1$API_SERVER#" \
    -e "s#^\(\( *\|- \)*\(name\|cluster\|user\|current-context\): \)default\$#\1$CLUSTER_NAME#" "$1"
}

on_create() {
  local home source=/etc/rancher/k3s/k3s.yaml
  [[ -s $source ]] || fail "$source is missing: k3s is not installed"
  home=$(getent passwd "$SEED_USER" | cut -d: -f6)
  install -d -m 0700 /root/.kube
  ln -sfn "$source" /root/.kube/config
  install -d -m 0700 -o "$SEED_USER" -g "$(id -g "$SEED_USER")" "$home/.kube"
  write_file "$home/.kube/config" 0600 < "$source" || true
  chown "$SEED_USER:" "$home/.kube/config"
  outside_kubeconfig "$source"
}
