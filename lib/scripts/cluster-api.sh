#!/bin/bash
# Installs and upgrades Cluster API. Nothing is uninstalled: the cluster goes as a whole.
#   controllers.sh

on_create() { install_controllers; }

on_delete() { refuse_while_managing; }
