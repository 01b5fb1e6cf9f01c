// Package addons installs addons into the clusters that Cluster API makes: HelmReleases, and Manifests, which become
// releases too. Upstream analogue: azimuth-cloud's cluster-api-addon-provider.
package addons

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	group     = "addons.stackhpc.com"
	version   = group + "/v1alpha1"
	finalizer = group + "/finalizer"
)

// phases of an addon, upstream's.
const (
	pending      = "Pending"
	installing   = "Installing"
	upgrading    = "Upgrading"
	deployed     = "Deployed"
	failed       = "Failed"
	uninstalling = "Uninstalling"
)

// addon is a HelmRelease or Manifests.
type addon struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ClusterName     string         `json:"clusterName"`
		Bootstrap       bool           `json:"bootstrap"`
		TargetNamespace string         `json:"targetNamespace"`
		ReleaseName     string         `json:"releaseName"`
		Paused          bool           `json:"paused"`
		Chart           chartReference `json:"chart"`
		ValuesSources   []source       `json:"valuesSources"`
		ManifestSources []source       `json:"manifestSources"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

type chartReference struct {
	Repo    string `json:"repo"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// permanentError is a failure that only a change of the addon mends.
type permanentError string

func (e permanentError) Error() string { return string(e) }

func object(apiVersion, kind string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	return o
}

func cluster() *unstructured.Unstructured { return object("cluster.x-k8s.io/v1beta2", "Cluster") }

// uses are the names of the Secrets that the release is made of.
func (a addon) uses(around surroundings) []string {
	names := []string{around.identity.GetName()}
	for _, s := range slices.Concat(a.Spec.ValuesSources, a.Spec.ManifestSources) {
		if s.Secret != nil {
			names = append(names, s.Secret.Name)
		}
	}
	return names
}

// usesLabel marks the addons that a Secret concerns, as upstream's.
func usesLabel(secret string) string { return secret + ".secret." + group + "/uses" }

// surroundings are what an addon's templates can name besides itself.
type surroundings struct {
	cluster, infrastructure, identity *unstructured.Unstructured
}

// surroundings reads the addon's Cluster, its OpenStackCluster and the Secret that the latter's identityRef names.
func (a addon) surroundings(ctx context.Context, reader client.Reader) (s surroundings, err error) {
	get := func(apiVersion, kind, name string) *unstructured.Unstructured {
		o := object(apiVersion, kind)
		if err == nil {
			err = reader.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: name}, o)
		}
		return o
	}
	s.cluster = get("cluster.x-k8s.io/v1beta2", "Cluster", a.Spec.ClusterName)
	name, _, _ := unstructured.NestedString(s.cluster.Object, "spec", "infrastructureRef", "name")
	s.infrastructure = get("infrastructure.cluster.x-k8s.io/v1beta1", "OpenStackCluster", name)
	name, _, _ = unstructured.NestedString(s.infrastructure.Object, "spec", "identityRef", "name")
	s.identity = get(corev1.SchemeGroupVersion.String(), "Secret", name)
	return s, err
}

func (s surroundings) variables(o *unstructured.Unstructured) map[string]any {
	return map[string]any{"addon": o.Object, "cluster": s.cluster.Object, "infra_cluster": s.infrastructure.Object, "cloud_identity": s.identity.Object}
}

// condition tells whether one of the conditions is True.
func condition(o *unstructured.Unstructured, names ...string) bool {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	return slices.ContainsFunc(list, func(item any) bool {
		c, _ := item.(map[string]any)
		name, _ := c["type"].(string)
		return slices.Contains(names, name) && c["status"] == "True"
	})
}
