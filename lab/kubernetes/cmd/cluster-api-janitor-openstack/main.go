// Command cluster-api-janitor-openstack deletes what the clusters of the management cluster that it runs in left behind
// in OpenStack. It reads upstream's CAPI_JANITOR_DEFAULT_VOLUMES_POLICY and CAPI_JANITOR_RETRY_DEFAULT_DELAY.
package main

import (
	"os"
	"strconv"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"capi-mgmt/lab/kubernetes/janitor"
	"capi-mgmt/lab/kubernetes/operator"
)

func main() { operator.Main(setup) }

func setup(m ctrl.Manager) error {
	policy := os.Getenv("CAPI_JANITOR_DEFAULT_VOLUMES_POLICY")
	if policy == "" {
		policy = "delete"
	}
	seconds, err := strconv.Atoi(os.Getenv("CAPI_JANITOR_RETRY_DEFAULT_DELAY"))
	if err != nil || seconds < 1 {
		seconds = 60
	}
	r := &janitor.Reconciler{Client: m.GetClient(), VolumesPolicy: policy, Retry: time.Duration(seconds) * time.Second, Recorder: m.GetEventRecorder("capi-janitor")}
	return r.Setup(m)
}
