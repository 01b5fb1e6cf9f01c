package server

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"capi-mgmt/lab/kubernetes/logging"
	"capi-mgmt/lab/kubernetes/options"
	"capi-mgmt/lab/kubernetes/pki"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

//go:embed manifests
var packagedManifests embed.FS

// deployEvery is how often the folder of manifests is looked through, as in k3s.
const deployEvery = 15 * time.Second

// deployer applies the manifests in DATA-DIR/server/manifests, the packaged components' and the operator's.
// Upstream analogue: k3s's pkg/deploy.
type deployer struct {
	dir     string
	objects dynamic.Interface
	mapper  meta.ResettableRESTMapper
	applied map[string][]byte // content by path
}

// deploy writes the packaged manifests and applies what the folder has, again and again, until ctx ends.
func deploy(ctx context.Context, o *options.Server, admin *rest.Config) error {
	d := &deployer{dir: filepath.Join(o.DataDir, "server", "manifests"), applied: map[string][]byte{}}
	if err := writeManifests(o, d.dir); err != nil {
		return err
	}
	objects, err := dynamic.NewForConfig(admin)
	if err != nil {
		return err
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(admin)
	if err != nil {
		return err
	}
	d.objects, d.mapper = objects, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds))
	for {
		if err := d.pass(ctx); err != nil && ctx.Err() == nil {
			logging.Warnf("manifests: %v", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(deployEvery):
		}
	}
}

// writeManifests writes the components that are not disabled; a disabled one's file goes, its objects stay.
func writeManifests(o *options.Server, dir string) error {
	entries, err := packagedManifests.ReadDir("manifests")
	if err != nil {
		return err
	}
	values := strings.NewReplacer("%{CLUSTER_DNS}%", o.ServiceAddress(10), "%{CLUSTER_DOMAIN}%", o.ClusterDomain, "%{IMAGE_PREFIX}%", o.Image(""))
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name())
		if o.IsDisabled(strings.TrimSuffix(entry.Name(), ".yaml")) {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		content, err := packagedManifests.ReadFile(path.Join("manifests", entry.Name()))
		if err != nil {
			return err
		}
		if err := pki.WriteFile(file, []byte(values.Replace(string(content))), 0o600); err != nil {
			return err
		}
	}
	return os.MkdirAll(dir, 0o700)
}

// pass applies each file whose content is not applied yet.
func (d *deployer) pass(ctx context.Context) (failed error) {
	files, err := filepath.Glob(filepath.Join(d.dir, "*.y*ml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if bytes.Equal(d.applied[file], content) {
			continue
		}
		if err := d.apply(ctx, content); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", filepath.Base(file), err))
			continue
		}
		d.applied[file] = content
		logging.Infof("applied manifest %s", file)
	}
	return failed
}

func (d *deployer) apply(ctx context.Context, content []byte) error {
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := documents.Decode(&object.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if len(object.Object) == 0 {
			continue
		}
		kind := object.GroupVersionKind()
		mapping, err := d.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			d.mapper.Reset() // its definition may have come meanwhile
			return err
		}
		resource := dynamic.ResourceInterface(d.objects.Resource(mapping.Resource))
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			if object.GetNamespace() == "" {
				object.SetNamespace(metav1.NamespaceDefault)
			}
			resource = d.objects.Resource(mapping.Resource).Namespace(object.GetNamespace())
		}
		if _, err := resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "deploy", Force: true}); err != nil {
			return fmt.Errorf("%s %s: %w", kind.Kind, object.GetName(), err)
		}
	}
}
