// Package controllers acts for the Cluster API controllers.
package controllers

import (
	"capi-mgmt/lab/kubernetes/program"

	_ "github.com/gophercloud/gophercloud/v2/openstack" // keeps the requirement in go.mod until the first controller uses it
)

// Programs lists the controllers that the node loop runs in place of containers.
func Programs() []program.Program { return nil }
