package agent

import (
	"context"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// childStop is how long a child may take to end when it is asked to.
const childStop = 10 * time.Second

// child is this executable as another program, told by its name.
type child struct {
	name        string
	arguments   []string
	environment []string  // nil: this process's
	log         io.Writer // nil: this process's standard error
}

// run runs the child until it ends by itself or ctx does. It does not outlive this process, however that ends.
func (c child) run(ctx context.Context) error {
	runtime.LockOSThread() // the kernel sends the death signal when the thread ends that started the child
	defer runtime.UnlockOSThread()
	command := exec.CommandContext(ctx, "/proc/self/exe", c.arguments...)
	command.Args[0] = c.name
	command.Env = c.environment
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = childStop
	var log io.Writer = os.Stderr
	if c.log != nil {
		log = c.log
	}
	command.Stdout, command.Stderr = log, log
	return command.Run()
}
