package addons

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2"
	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"sigs.k8s.io/yaml"
)

// environment is Jinja's with the filters that the charts of capi-helm-charts use besides its own.
var environment = func() *exec.Environment {
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{
		"toyaml": func(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			return filtered(toYAML(in.ToGoSimpleType(false)))
		},
		"b64encode": func(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			return exec.AsValue(base64.StdEncoding.EncodeToString([]byte(in.String())))
		},
		"b64decode": func(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
			plain, err := base64.StdEncoding.DecodeString(in.String())
			return filtered(string(plain), err)
		},
	}).Update(builtins.Filters)
	return &exec.Environment{Filters: filters, Tests: builtins.Tests, ControlStructures: builtins.ControlStructures, Methods: builtins.Methods,
		Context: exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables)}
}()

func filtered(text string, err error) *exec.Value {
	if err != nil {
		return exec.AsValue(err)
	}
	return exec.AsValue(text)
}

func toYAML(value any) (string, error) {
	if failed, ok := value.(error); ok {
		return "", failed
	}
	text, err := yaml.Marshal(value)
	return string(text), err
}

// render fills a Jinja template. A name that is not defined fails, by name. Templates cannot include others.
func render(text string, variables map[string]any) (string, error) {
	const root = "/template"
	settings := gonja.DefaultConfig.Inherit()
	settings.StrictUndefined = true
	loader, err := loaders.NewMemoryLoader(map[string]string{root: text})
	if err != nil {
		return "", err
	}
	template, err := exec.NewTemplate(root, settings, loader, environment)
	if err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	var out strings.Builder
	if err := template.Execute(&out, exec.NewContext(variables)); err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	return out.String(), nil
}
