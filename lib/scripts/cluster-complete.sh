#!/bin/bash
# Waits until the HA cluster is complete.
#   CLUSTER, NAMESPACE, READY_SECONDS; cluster-conditions.sh

on_create() {
  await_complete
  say "cluster $CLUSTER is complete"
}
