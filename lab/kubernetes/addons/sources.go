package addons

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// source is one of valuesSources or manifestSources; exactly one field is set. Upstream's has ConfigMaps too.
type source struct {
	Template string `json:"template,omitempty"`
	Secret   *struct {
		Name string `json:"name"`
		Key  string `json:"key"`
	} `json:"secret,omitempty"`
}

// content is what a release is made of.
type content struct {
	Chart     chartReference
	Values    map[string]any
	Manifests []string
}

// content fills the templates of the sources. Of values a later one wins, lists are joined.
func (a addon) content(ctx context.Context, reader client.Reader, variables map[string]any) (content, error) {
	made := content{Chart: a.Spec.Chart, Values: map[string]any{}}
	for _, source := range a.Spec.ValuesSources {
		text, err := source.text(ctx, reader, a.Namespace, variables)
		if err != nil {
			return made, err
		}
		values := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &values); err != nil {
			return made, permanentError("valuesSources: " + err.Error())
		}
		made.Values = mergeConcat(made.Values, values).(map[string]any)
	}
	for _, source := range a.Spec.ManifestSources {
		text, err := source.text(ctx, reader, a.Namespace, variables)
		if err != nil {
			return made, err
		}
		made.Manifests = append(made.Manifests, separator.Split(text, -1)...)
	}
	return made, nil
}

// digest tells one content from another.
func (c content) digest() (string, error) {
	all, err := json.Marshal(c)
	return fmt.Sprintf("%x", sha256.Sum256(all)), err
}

func (s source) text(ctx context.Context, reader client.Reader, namespace string, variables map[string]any) (string, error) {
	text := s.Template
	if s.Secret != nil {
		secret := &corev1.Secret{}
		if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: s.Secret.Name}, secret); err != nil {
			return "", err
		}
		content, ok := secret.Data[s.Secret.Key]
		if !ok {
			return "", permanentError(fmt.Sprintf("secret %s has no key %q", s.Secret.Name, s.Secret.Key))
		}
		text = string(content)
	} else if text == "" {
		return "", permanentError("a source without secret or template")
	}
	filled, err := render(text, variables)
	if err != nil {
		return "", permanentError(err.Error())
	}
	return filled, nil
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
			base[key] = mergeConcat(base[key], value)
		}
		return base
	case []any:
		base, _ := under.([]any)
		return append(slices.Clone(base), over...)
	}
	return over
}

var (
	separator = regexp.MustCompile(`(?m)^---\s*$`)
	goExpress = regexp.MustCompile(`\{\{-?`)
)

// writeChart writes the manifests as a chart, so that what is no longer among them goes with the next revision.
func (c content) writeChart(folder, name string) error {
	templates := filepath.Join(folder, "templates")
	if err := os.MkdirAll(templates, 0o755); err != nil {
		return err
	}
	for number, document := range c.Manifests {
		if strings.TrimSpace(document) == "" {
			continue
		}
		escaped := goExpress.ReplaceAllString(document, `{{ "$0" }}`)
		if err := os.WriteFile(filepath.Join(templates, fmt.Sprintf("%03d.yaml", number)), []byte(escaped), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, "Chart.yaml"), fmt.Appendf(nil, "apiVersion: v2\nname: %s\nversion: 0.1.0\n", name), 0o600)
}
