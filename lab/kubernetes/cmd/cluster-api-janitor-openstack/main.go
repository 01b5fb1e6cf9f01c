// Command cluster-api-janitor-openstack deletes what the clusters of the management cluster that it runs in left behind
// in OpenStack.
package main

import (
	"capi-mgmt/lab/kubernetes/janitor"
	"capi-mgmt/lab/kubernetes/operator"
)

func main() { operator.Main(janitor.Setup) }
