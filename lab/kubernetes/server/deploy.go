package server

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"capi-mgmt/lab/kubernetes/options"
	"capi-mgmt/lab/kubernetes/pki"

	"github.com/sirupsen/logrus"
)

//go:embed manifests
var packagedManifests embed.FS

// deployEvery is how often the folder of manifests is looked through, as in k3s.
const deployEvery = 15 * time.Second

// deploy applies the manifests in DATA-DIR/server/manifests, the packaged components' and the operator's, each when its
// content is not applied yet, until ctx ends. Upstream analogue: k3s's pkg/deploy.
func deploy(ctx context.Context, o *options.Server, f *files) {
	dir := filepath.Join(f.root, "manifests")
	if err := writeManifests(o, dir); err != nil {
		logrus.Errorf("packaged manifests: %v", err)
	}
	applied := map[string][]byte{}
	for ctx.Err() == nil {
		found, _ := filepath.Glob(filepath.Join(dir, "*.y*ml"))
		for _, file := range found {
			content, err := os.ReadFile(file)
			if err == nil && bytes.Equal(applied[file], content) {
				continue
			}
			if err == nil {
				err = apply(ctx, f, file)
			}
			if err != nil {
				logrus.Warnf("manifest %s: %v", file, err)
				continue
			}
			applied[file] = content
			logrus.Infof("applied manifest %s", file)
		}
		select {
		case <-ctx.Done():
		case <-time.After(deployEvery):
		}
	}
}

func apply(ctx context.Context, f *files, file string) error {
	kubectl := command(ctx, "kubectl", "apply", "--server-side", "--force-conflicts", "--field-manager=deploy", "--validate=ignore",
		"--kubeconfig="+f.kubeconfig("admin"), "--cache-dir="+filepath.Join(f.root, "cache"), "--filename="+file)
	var said bytes.Buffer
	kubectl.Stdout, kubectl.Stderr = nil, &said
	if err := kubectl.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, &said)
	}
	return nil
}

// writeManifests writes the components that are not disabled; a disabled one's file goes, its objects stay.
func writeManifests(o *options.Server, dir string) error {
	values := strings.NewReplacer("%{CLUSTER_DNS}%", o.ServiceAddress(10), "%{CLUSTER_DOMAIN}%", o.ClusterDomain, "%{IMAGE_PREFIX}%", o.Image(""))
	entries, err := packagedManifests.ReadDir("manifests")
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name())
		if o.IsDisabled(strings.TrimSuffix(entry.Name(), ".yaml")) {
			if gone := os.Remove(file); !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
			continue
		}
		content, unreadable := packagedManifests.ReadFile(path.Join("manifests", entry.Name()))
		err = errors.Join(err, unreadable, pki.WriteFile(file, []byte(values.Replace(string(content))), 0o600))
	}
	return err
}
