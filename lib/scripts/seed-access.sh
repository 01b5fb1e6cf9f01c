#!/bin/bash
# The HA cluster's kubeconfig in the home of the seed's user, readable by that user only.
#   SEED_USER, FILE_NAME; cluster.sh

home_file() { echo "$(getent passwd "$SEED_USER" | cut -d: -f6)/$FILE_NAME"; }

on_create() {
  local path content
  path=$(home_file)
  content=$(cluster_kubeconfig)
  write_file "$path" 0600 <<< "$content" || true
  chown "$SEED_USER:" "$path"
  echo "$path"
}

on_delete() { rm -f "$(home_file)"; }
