package server

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"capi-mgmt/lab/kubernetes/options"
	"capi-mgmt/lab/kubernetes/pki"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/util/wait"
)

//go:embed manifests/coredns.yaml
var coreDNS string

// deployEvery is how often the folder of manifests is looked through, as in k3s.
const deployEvery = 15 * time.Second

// deploy applies the manifests in DATA-DIR/server/manifests, CoreDNS' and the operator's, each when its content is not applied
// yet, until ctx ends. Upstream analogue: k3s's pkg/deploy.
func deploy(ctx context.Context, o *options.Server, l *layout) {
	dir := filepath.Join(l.root, "manifests")
	if err := writeCoreDNS(o, filepath.Join(dir, "coredns.yaml")); err != nil {
		logrus.Errorf("CoreDNS: %v", err)
	}
	applied := map[string][]byte{}
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		found, _ := filepath.Glob(filepath.Join(dir, "*.y*ml"))
		for _, file := range found {
			content, err := os.ReadFile(file)
			if err == nil && bytes.Equal(applied[file], content) {
				continue
			}
			if err == nil {
				err = apply(ctx, l, file)
			}
			if err != nil {
				logrus.Warnf("manifest %s: %v", file, err)
				continue
			}
			applied[file] = content
			logrus.Infof("applied manifest %s", file)
		}
	}, deployEvery)
}

func apply(ctx context.Context, l *layout, file string) error {
	kubectl := command(ctx, "kubectl", "apply", "--server-side", "--force-conflicts", "--field-manager=deploy", "--validate=ignore",
		"--kubeconfig="+l.kubeconfig("admin"), "--cache-dir="+filepath.Join(l.root, "cache"), "--filename="+file)
	var said bytes.Buffer
	kubectl.Stdout, kubectl.Stderr = nil, &said
	if err := kubectl.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, &said)
	}
	return nil
}

// writeCoreDNS writes its manifest, unless it is disabled: then the file goes, its objects stay.
func writeCoreDNS(o *options.Server, file string) error {
	if slices.Contains(o.Disabled, "coredns") {
		return os.RemoveAll(file)
	}
	values := strings.NewReplacer("%{CLUSTER_DNS}%", o.ServiceAddress(10), "%{CLUSTER_DOMAIN}%", o.ClusterDomain)
	return pki.WriteFile(file, []byte(values.Replace(coreDNS)), 0o600)
}
