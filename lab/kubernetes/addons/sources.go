package addons

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// source is one of valuesSources or manifestSources; exactly one field is set.
type source struct {
	Template  string     `json:"template,omitempty"`
	Secret    *reference `json:"secret,omitempty"`
	ConfigMap *reference `json:"configMap,omitempty"`
}

// reference names a Secret or ConfigMap, and in it a key (values) or several (manifests; empty: all).
type reference struct {
	Name        string   `json:"name"`
	Key         string   `json:"key,omitempty"`
	Keys        []string `json:"keys,omitempty"`
	ExcludeKeys []string `json:"excludeKeys,omitempty"`
}

// texts reads a source's templates, in the order of their keys.
func (s source) texts(ctx context.Context, reader client.Reader, namespace string, one bool) ([]string, error) {
	kind, from := "Secret", s.Secret
	switch {
	case s.Template != "":
		return []string{s.Template}, nil
	case s.ConfigMap != nil:
		kind, from = "ConfigMap", s.ConfigMap
	case s.Secret == nil:
		return nil, permanentError("a source without secret, configMap or template")
	}
	o := object("v1", kind)
	if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: from.Name}, o); err != nil {
		return nil, err
	}
	data, _, _ := unstructured.NestedStringMap(o.Object, "data")
	keys := from.selected(data, one)
	var out []string
	for _, key := range keys {
		text, ok := data[key]
		if !ok {
			return nil, permanentError(fmt.Sprintf("%s %s has no key %s", kind, from.Name, key))
		}
		if kind == "Secret" {
			plain, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, err
			}
			text = string(plain)
		}
		out = append(out, text)
	}
	return out, nil
}

func (r reference) selected(data map[string]string, one bool) []string {
	if one {
		if r.Key == "" {
			return []string{"values.yaml"}
		}
		return []string{r.Key}
	}
	var keys []string
	for key := range data {
		if (len(r.Keys) == 0 || slices.Contains(r.Keys, key)) && !slices.Contains(r.ExcludeKeys, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// values merges what the sources give; a later one wins, lists are joined.
func (a addon) values(ctx context.Context, reader client.Reader, variables map[string]any) (map[string]any, error) {
	merged := map[string]any{}
	for _, source := range a.Spec.ValuesSources {
		texts, err := source.texts(ctx, reader, a.Namespace, true)
		if err != nil {
			return nil, err
		}
		text, err := render(texts[0], variables)
		if err != nil {
			return nil, permanentError(err.Error())
		}
		values := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &values); err != nil {
			return nil, permanentError("valuesSources: " + err.Error())
		}
		merged = mergeConcat(merged, values).(map[string]any)
	}
	return merged, nil
}

func mergeConcat(under, over any) any {
	switch over := over.(type) {
	case nil:
		return under
	case map[string]any:
		base, ok := under.(map[string]any)
		if !ok {
			return over
		}
		for key, value := range over {
			if have, ok := base[key]; ok {
				value = mergeConcat(have, value)
			}
			base[key] = value
		}
		return base
	case []any:
		if base, ok := under.([]any); ok {
			return append(slices.Clone(base), over...)
		}
	}
	return over
}

var (
	separator = regexp.MustCompile(`(?m)^---\s*$`)
	goExpress = regexp.MustCompile(`\{\{-?`)
)

// chart writes the manifests as a chart, so that what is no longer among them goes with the next revision. Its version
// tells whether they changed.
func (a addon) chart(ctx context.Context, reader client.Reader, variables map[string]any, folder string) error {
	templates := filepath.Join(folder, "templates")
	if err := os.MkdirAll(templates, 0o755); err != nil {
		return err
	}
	hash, number := sha256.New(), 0
	for _, source := range a.Spec.ManifestSources {
		texts, err := source.texts(ctx, reader, a.Namespace, false)
		if err != nil {
			return err
		}
		for _, text := range texts {
			rendered, err := render(text, variables)
			if err != nil {
				return permanentError(err.Error())
			}
			for _, document := range separator.Split(rendered, -1) {
				if strings.TrimSpace(document) == "" {
					continue
				}
				number++
				hash.Write([]byte(document + "\n---\n"))
				escaped := goExpress.ReplaceAllString(document, `{{ "$0" }}`)
				if err := os.WriteFile(filepath.Join(templates, fmt.Sprintf("%03d.yaml", number)), []byte(escaped), 0o600); err != nil {
					return err
				}
			}
		}
	}
	meta := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: 0.1.0+%x\n", a.release(), hash.Sum(nil)[:4])
	return os.WriteFile(filepath.Join(folder, "Chart.yaml"), []byte(meta), 0o600)
}
