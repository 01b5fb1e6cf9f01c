package addons

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// timeout is how long a release's workloads may take to become ready, upstream's default.
const timeout = "1h"

// permanent is what Helm says when trying again would not help: the addon has to change.
var permanent = regexp.MustCompile(`chart "[^"]*" .*not found|failed to download|template: |execution error at|values don't meet the specifications|already exists|is invalid|error validating|YAML parse error|unable to build kubernetes objects`)

// helm runs the helm program on one cluster, for one release.
type helm struct {
	executable, kubeconfig, namespace, release string
}

// revision is a release's newest one; without a status there is none.
type revision struct {
	Status string `json:"status"`
	// Description is the digest of what it was made of, where it is deployed.
	Description string `json:"description"`
}

// run returns what helm prints, and its last words as the error when it fails.
func (h helm) run(ctx context.Context, stdin []byte, arguments ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, h.executable, append(arguments, "--namespace", h.namespace, "--kubeconfig", h.kubeconfig)...)
	// Asked to end, helm records the release as failed; killed, it leaves it pending.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	command.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, errors.New(strings.TrimPrefix(strings.TrimSpace(stderr.String()), "Error: "))
	}
	return out, err
}

// current is the newest revision, after one that an interruption left pending was undone.
func (h helm) current(ctx context.Context) (revision, error) {
	out, err := h.run(ctx, nil, "history", h.release, "--max", "1", "--output", "json")
	if err != nil && strings.HasSuffix(err.Error(), "release: not found") {
		return revision{}, nil
	} else if err != nil {
		return revision{}, err
	}
	var found []revision
	if err := json.Unmarshal(out, &found); err != nil || len(found) == 0 {
		return revision{}, err
	}
	switch found[0].Status {
	case "pending-install", "uninstalling":
		return revision{}, h.uninstall(ctx)
	case "pending-upgrade", "pending-rollback":
		_, err = h.run(ctx, nil, "rollback", h.release, "--cleanup-on-fail", "--wait", "--timeout", timeout)
	}
	return found[0], err
}

// pull unpacks a repository's chart below folder and says where.
func (h helm) pull(ctx context.Context, folder string, chart chartReference) (string, error) {
	_, err := h.run(ctx, nil, "pull", chart.Name, "--repo", chart.Repo, "--version", chart.Version, "--untar", "--untardir", folder)
	return filepath.Join(folder, chart.Name), err
}

// upgrade installs or upgrades the release and waits for its workloads.
func (h helm) upgrade(ctx context.Context, chart string, values map[string]any, digest string) error {
	content, err := json.Marshal(values)
	if err != nil {
		return err
	}
	_, err = h.run(ctx, content, "upgrade", h.release, chart, "--install", "--create-namespace", "--cleanup-on-fail", "--history-max", "10",
		"--reset-values", "--values", "-", "--description", digest, "--wait", "--timeout", timeout, "--output", "json")
	return err
}

func (h helm) uninstall(ctx context.Context) error {
	_, err := h.run(ctx, nil, "uninstall", h.release, "--ignore-not-found", "--wait", "--timeout", timeout)
	return err
}
