package addons

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"time"

	"sigs.k8s.io/yaml"
)

// timeout is how long a release's workloads may take to become ready, upstream's default.
const timeout = "1h"

// permanent is what Helm says when trying again would not help: the addon has to change.
var permanent = regexp.MustCompile(`chart "[^"]*" .*not found|failed to download|template: |execution error at|values don't meet the specifications|already exists|is invalid|error validating|YAML parse error|unable to build kubernetes objects`)

// helm runs the helm program on one cluster, for one release.
type helm struct {
	executable, kubeconfig, namespace, release string
}

// revision is a release's newest one, as `helm list` tells it.
type revision struct {
	Number string `json:"revision"`
	Status string `json:"status"`
	// Chart is its name, a dash, and its version.
	Chart string `json:"chart"`
}

// run returns what helm prints, and its last words as the error when it fails.
func (h helm) run(ctx context.Context, stdin []byte, arguments ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, h.executable, append(arguments, "--namespace", h.namespace, "--kubeconfig", h.kubeconfig)...)
	// Asked to end, helm records the release as failed; killed, it leaves it pending.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	command.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		var exit *exec.ExitError
		if ctx.Err() != nil || !errors.As(err, &exit) {
			return nil, errors.Join(err, ctx.Err())
		}
		return nil, errors.New(strings.TrimPrefix(strings.TrimSpace(stderr.String()), "Error: "))
	}
	return stdout.Bytes(), nil
}

// current is the newest revision; nil when there is none.
func (h helm) current(ctx context.Context) (*revision, error) {
	out, err := h.run(ctx, nil, "list", "--all", "--filter", "^"+regexp.QuoteMeta(h.release)+"$", "--output", "json")
	if err != nil {
		return nil, err
	}
	var found []revision
	if err := json.Unmarshal(out, &found); err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// proceedable is the current revision after one that an interruption left pending was undone.
func (h helm) proceedable(ctx context.Context) (*revision, error) {
	now, err := h.current(ctx)
	if err != nil || now == nil {
		return nil, err
	}
	switch now.Status {
	case "pending-install", "uninstalling":
		return nil, h.uninstall(ctx)
	case "pending-upgrade", "pending-rollback":
		if _, err := h.run(ctx, nil, "rollback", h.release, "--cleanup-on-fail", "--wait", "--timeout", timeout); err != nil {
			return nil, err
		}
		return h.current(ctx)
	}
	return now, nil
}

// pull unpacks a repository's chart below folder and says where.
func (h helm) pull(ctx context.Context, folder string, chart chartReference) (string, error) {
	_, err := h.run(ctx, nil, "pull", chart.Name, "--repo", chart.Repo, "--version", chart.Version, "--untar", "--untardir", folder)
	return filepath.Join(folder, chart.Name), err
}

// due tells whether the release has to be made anew: it is not deployed, or has another chart or other values.
func (h helm) due(ctx context.Context, now *revision, chart string, values map[string]any) (bool, error) {
	if now == nil || now.Status != "deployed" {
		return true, nil
	}
	out, err := h.run(ctx, nil, "show", "chart", chart)
	if err != nil {
		return false, err
	}
	var wanted struct{ Name, Version string }
	if err := yaml.Unmarshal(out, &wanted); err != nil {
		return false, err
	}
	if now.Chart != wanted.Name+"-"+wanted.Version {
		return true, nil
	}
	if out, err = h.run(ctx, nil, "get", "values", h.release, "--output", "json"); err != nil {
		return false, err
	}
	var have map[string]any
	if err := json.Unmarshal(out, &have); err != nil {
		return false, fmt.Errorf("values of release %s: %w", h.release, err)
	}
	return !(len(have) == 0 && len(values) == 0) && !reflect.DeepEqual(have, values), nil
}

// upgrade installs or upgrades the release and waits for its workloads.
func (h helm) upgrade(ctx context.Context, chart string, values map[string]any) error {
	content, err := json.Marshal(values)
	if err != nil {
		return err
	}
	_, err = h.run(ctx, content, "upgrade", h.release, chart, "--install", "--create-namespace", "--cleanup-on-fail", "--history-max", "10",
		"--reset-values", "--values", "-", "--wait", "--timeout", timeout, "--output", "json")
	return err
}

func (h helm) uninstall(ctx context.Context) error {
	_, err := h.run(ctx, nil, "uninstall", h.release, "--ignore-not-found", "--wait", "--timeout", timeout)
	return err
}
