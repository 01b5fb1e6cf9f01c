package addons

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"sigs.k8s.io/yaml"
)

// Jinja's settings, and the filter that the charts of capi-helm-charts use besides Jinja's own.
func init() {
	gonja.DefaultConfig.StrictUndefined = true
	err := gonja.DefaultEnvironment.Filters.Register("toyaml", func(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
		value := in.ToGoSimpleType(false)
		if failed, ok := value.(error); ok {
			return exec.AsValue(failed)
		}
		text, err := yaml.Marshal(value)
		if err != nil {
			return exec.AsValue(err)
		}
		return exec.AsValue(string(text))
	})
	if err != nil {
		panic(err)
	}
}

// render fills a Jinja template. A name that is not defined fails, by name. Templates cannot include others.
func render(text string, variables map[string]any) (string, error) {
	const root = "/template"
	loader, err := loaders.NewMemoryLoader(map[string]string{root: text})
	if err != nil {
		return "", err
	}
	template, err := exec.NewTemplate(root, gonja.DefaultConfig, loader, gonja.DefaultEnvironment)
	if err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	filled, err := template.ExecuteToString(exec.NewContext(variables))
	if err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	return filled, nil
}
