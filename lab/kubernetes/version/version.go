// Package version holds what this build says it is. Set by build.ts through -ldflags -X.
package version

import (
	"fmt"
	"runtime"
	"strings"

	componentversion "k8s.io/component-base/version"
)

// Release is the k3s release this binary stands in for; Commit tells that it is the lab's build.
var (
	Release = "v1.36.3+k3s1"
	Commit  = "lab00000"
)

// Text is what `k3s --version` prints.
func Text() string {
	return fmt.Sprintf("k3s version %s (%s)\ngo version %s\n", Release, Commit, runtime.Version())
}

// Upstream is Release without k3s's suffix: the version of the Kubernetes code compiled in.
func Upstream() string {
	upstream, _, _ := strings.Cut(Release, "+")
	return upstream
}

// Report makes the API server and kubectl report a version. Only spellings of the version compiled in are possible
// (v1.36.3 for v1.36.3+k3s1); for every other version it says so and what is compiled in stays.
func Report(wanted string) error {
	if err := componentversion.SetDynamicVersion(wanted); err != nil {
		return fmt.Errorf("cannot report Kubernetes %s, this build is %s: %w", wanted, Release, err)
	}
	return nil
}
