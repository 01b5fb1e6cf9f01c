#!/bin/bash
# Prints the HA cluster's kubeconfig.
#   cluster.sh

on_create() { cluster_kubeconfig; }
