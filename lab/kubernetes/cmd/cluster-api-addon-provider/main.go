// Command cluster-api-addon-provider installs addons into the clusters of the management cluster that it runs in.
package main

import (
	"capi-mgmt/lab/kubernetes/addons"
	"capi-mgmt/lab/kubernetes/operator"
)

func main() { operator.Main(addons.Setup) }
