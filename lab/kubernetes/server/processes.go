package server

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	stopLimit = 12 * time.Second // how long each may take at the end; systemd gives 90 s in all
	pollEvery = 100 * time.Millisecond
)

// command is this executable as another program, told by its name. It ends when ctx does, and does not outlive this process,
// however that ends.
func command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "/proc/self/exe", arguments...)
	c.Args[0] = name
	// kube-apiserver says READY=1 by itself, seconds before the controllers run, and would be believed.
	c.Env = append(os.Environ(), "NOTIFY_SOCKET=")
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = stopLimit
	return c
}

// processes are the programs a server is made of. ctx ends when one of them does, or when the server is to stop.
type processes struct {
	ctx   context.Context
	fail  context.CancelCauseFunc
	began time.Time
	stops []func()
}

// start starts a program, with the settings that change makes. Its end before stop is a failure.
func (p *processes) start(name string, arguments []string, change ...func(*exec.Cmd)) error {
	ctx, stop := context.WithCancel(context.Background())
	c := command(ctx, name, arguments...)
	for _, make := range change {
		make(c)
	}
	if err := c.Start(); err != nil {
		stop()
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.fail(fmt.Errorf("%s ended: %v", name, c.Wait()))
	}()
	p.stops = append(p.stops, func() {
		began := time.Now()
		stop()
		<-ended
		logrus.Infof("%s stopped in %s", name, time.Since(began).Round(time.Millisecond))
	})
	return nil
}

// await asks reached again and again until it says yes. It fails after limit, and when ctx ends.
func (p *processes) await(what string, limit time.Duration, reached func(context.Context) bool) error {
	err := wait.PollUntilContextTimeout(p.ctx, pollEvery, limit, true, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return reached(ctx), nil
	})
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	if err != nil {
		return fmt.Errorf("not reached within %s: %s", limit, what)
	}
	logrus.Infof("%s after %s", what, time.Since(p.began).Round(time.Millisecond))
	return nil
}

// stop ends the programs, the last started first. Pods go on.
func (p *processes) stop() {
	for _, stop := range slices.Backward(p.stops) {
		stop()
	}
}
