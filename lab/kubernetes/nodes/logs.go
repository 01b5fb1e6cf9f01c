package nodes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"capi-mgmt/lab/kubernetes/logging"
)

// largestLog is where a container's log is cut: the full file becomes the previous one. kubelet's containerLogMaxSize.
const largestLog = 10 << 20

// logs is the folder of the programs' logs. Each line begins with its time in RFC 3339 form and a space.
type logs struct{ dir string }

// path of a container's log; previous is the one of its run before.
func (l logs) path(namespace, pod, container string, previous bool) string {
	name := namespace + "_" + pod + "_" + container
	if previous {
		name += ".previous"
	}
	return filepath.Join(l.dir, name+".log")
}

// create begins the log of a new run.
func (l logs) create(namespace, pod, container string) (*logFile, error) {
	current, previous := l.path(namespace, pod, container, false), l.path(namespace, pod, container, true)
	if err := os.Rename(current, previous); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(current, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &logFile{file: file, current: current, previous: previous}, nil
}

// remove drops the logs of a pod that is gone.
func (l logs) remove(namespace, pod string) {
	found, err := filepath.Glob(filepath.Join(l.dir, namespace+"_"+pod+"_*.log"))
	for _, path := range found {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		logging.Warnf("logs of pod %s/%s: %v", namespace, pod, err)
	}
}

// logFile is an open log. Writes are of whole lines, or are made so.
type logFile struct {
	lock              sync.Mutex
	file              *os.File
	size              int
	current, previous string
}

// Write puts the time before each line of text.
func (f *logFile) Write(text []byte) (int, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	stamp := time.Now().UTC().Format(time.RFC3339Nano)
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		fmt.Fprintf(&out, "%s %s\n", stamp, bytes.TrimRight(line, "\n"))
	}
	written, err := f.file.Write(out.Bytes())
	if err != nil {
		return 0, err
	}
	if f.size += written; f.size > largestLog {
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}

func (f *logFile) rotate() error {
	if err := errors.Join(f.file.Close(), os.Rename(f.current, f.previous)); err != nil {
		return err
	}
	file, err := os.OpenFile(f.current, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	f.file, f.size = file, 0
	return nil
}

// Close closes the file.
func (f *logFile) Close() error {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.file.Close()
}
