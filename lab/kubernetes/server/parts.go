package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"capi-mgmt/lab/kubernetes/datastore"
	"capi-mgmt/lab/kubernetes/logging"
)

// parts watches over the goroutines a server is made of, and over the signals that end it.
type parts struct {
	began    time.Time
	failed   chan error
	stopped  chan struct{} // closed by the first signal
	stopping atomic.Bool   // then an end is no failure
}

// errStopped is await's error when the server is to stop: nothing went wrong.
var errStopped = errors.New("stopped while starting")

func newParts(began time.Time) *parts {
	p := &parts{began: began, failed: make(chan error, 8), stopped: make(chan struct{})}
	signals := ending()
	go func() {
		logging.Infof("received %s, stopping", <-signals)
		close(p.stopped)
		<-signals
		logging.Fatalf("received a second signal, ending at once")
	}()
	return p
}

// start runs a part. The channel it gives is closed when the part ends; an end before the server stops is a failure.
func (p *parts) start(name string, run func() error) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := run()
		if !p.stopping.Load() {
			p.failed <- fmt.Errorf("%s ended: %v", name, err)
		}
	}()
	return ended
}

// await asks reached again and again until it says yes. It fails after limit, when a part ends, or when the server is to stop.
func (p *parts) await(what string, limit time.Duration, reached func(context.Context) bool) error {
	deadline := time.After(limit)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		done := reached(ctx)
		cancel()
		if done {
			logging.Infof("%s after %s", what, time.Since(p.began).Round(time.Millisecond))
			return nil
		}
		select {
		case err := <-p.failed:
			return err
		case <-p.stopped:
			return errStopped
		case <-deadline:
			return fmt.Errorf("not reached within %s: %s", limit, what)
		case <-time.After(pollEvery):
		}
	}
}

// awaitEnd waits until all parts have ended, for limit at most.
func (p *parts) awaitEnd(what string, limit time.Duration, ended ...<-chan struct{}) {
	began, deadline := time.Now(), time.After(limit)
	for _, end := range ended {
		select {
		case <-end:
		case <-deadline:
			logging.Warnf("%s did not stop within %s", what, limit)
			return
		}
	}
	logging.Infof("%s stopped in %s", what, time.Since(began).Round(time.Millisecond))
}

// wait blocks until a signal or a failure.
func (p *parts) wait() error {
	select {
	case err := <-p.failed:
		return err
	case <-p.stopped:
		return nil
	}
}

func startDatastore(files *layout) (stop func(), err error) {
	// A kill while SQLite writes is safe, but a data folder on a full or read-only volume is not: say so in its own words.
	if err := os.WriteFile(filepath.Join(files.root, "db", ".writable"), nil, 0o600); err != nil {
		return nil, err
	}
	return datastore.Start(filepath.Join(files.root, "db", "state.db"), datastoreSocket)
}
