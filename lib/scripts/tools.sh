#!/bin/bash
# kubectl and helm for every user of the seed.
#   KUBECTL_VERSION, KUBECTL_SHA256, KUBECTL_BASE; HELM_VERSION, HELM_SHA256, HELM_BASE
# Upstream analogue: azimuth-ops role helm, and the kubectl that comes with k3s.

install_kubectl() {
  local arch sum
  arch=$(architecture)
  sum=$(expected_sum "$KUBECTL_SHA256" "$KUBECTL_BASE/$arch/kubectl.sha256" kubectl)
  fetch_verified "$KUBECTL_BASE/$arch/kubectl" "$sum" /usr/local/bin/kubectl
  chmod 0755 /usr/local/bin/kubectl
}

install_helm() {
  local arch sum archive name marker=/usr/local/share/capi-mgmt/helm.sha256
  arch=$(architecture)
  name=$(basename "$HELM_BASE-$arch.tar.gz")
  sum=$(expected_sum "$HELM_SHA256" "$HELM_BASE-$arch.tar.gz.sha256sum" "$name")
  # The archive is not kept: the sums of it and of the binary taken from it say that this release is there.
  if [[ -f $marker && $(< "$marker") == "$sum $(sha256sum /usr/local/bin/helm 2> /dev/null)" ]]; then return; fi
  archive=$(mktemp -d)
  fetch_verified "$HELM_BASE-$arch.tar.gz" "$sum" "$archive/$name"
  tar --extract --gzip --file "$archive/$name" --directory "$archive" "linux-$arch/helm"
  install -m 0755 "$archive/linux-$arch/helm" /usr/local/bin/helm
  rm -rf "$archive"
  write_file "$marker" 0644 <<< "$sum $(sha256sum /usr/local/bin/helm)" || true
}

on_create() {
  install_kubectl
  install_helm
  say "kubectl $KUBECTL_VERSION and helm $HELM_VERSION are installed"
  echo "kubectl $KUBECTL_VERSION, helm $HELM_VERSION"
}
