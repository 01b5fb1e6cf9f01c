package cinder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Machine is the machine that a node's pod runs on, as the pod sees it.
type Machine struct {
	// Root is the machine's root folder; MountInfo lists what is mounted in it.
	Root, MountInfo string
	// Prefix comes before each command.
	Prefix []string
	// Chroot is the root folder that the prefix is looked up and started in. Empty: this process's own.
	Chroot string
}

// HostMachine is the machine seen from a privileged pod in its process namespace. Commands are the machine's own and run
// in its mounts, so the image needs none and what they mount is the machine's.
func HostMachine() Machine {
	return Machine{
		Root: "/proc/1/root", MountInfo: "/proc/1/mountinfo",
		Prefix: []string{"/usr/bin/nsenter", "--target=1", "--mount", "--"}, Chroot: "/proc/1/root",
	}
}

// Path says where the pod finds a path of the machine.
func (m Machine) Path(path string) string { return filepath.Join(m.Root, path) }

// Mounted gives the type of the file system that is mounted on a path; empty where none is.
func (m Machine) Mounted(path string) (string, error) {
	content, err := os.ReadFile(m.MountInfo)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(content)) {
		place, system, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(place); len(fields) > 4 && fields[4] == filepath.Clean(path) {
			return strings.Fields(system)[0], nil
		}
	}
	return "", nil
}

// Run runs a command and gives its output without the last line feed, and its exit code; an error says what it wrote.
func (m Machine) Run(ctx context.Context, command ...string) (string, int, error) {
	words := append(append([]string{}, m.Prefix...), command...)
	process := exec.CommandContext(ctx, words[0], words[1:]...)
	process.SysProcAttr = &syscall.SysProcAttr{Chroot: m.Chroot}
	process.Dir = "/"
	var output, problems bytes.Buffer
	process.Stdout, process.Stderr = &output, &problems
	err := process.Run()
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(problems.String()))
	}
	return strings.TrimSpace(output.String()), code, err
}
