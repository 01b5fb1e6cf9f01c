package nodes

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"capi-mgmt/lab/kubernetes/logging"
)

// KubeletSocket is where the stand-in for all kubelets listens, relative to the server's working directory. The API server
// dials it for every node; no port is open to others.
const KubeletSocket = "kubelet.sock"

// followEvery is how often a followed log is looked at.
const followEvery = 250 * time.Millisecond

// serveKubelet answers `kubectl logs`. Exec, attach and port-forward say that there are no containers.
func (l *Loop) serveKubelet(ctx context.Context) error {
	certificate, err := tls.LoadX509KeyPair(l.ServingCert, l.ServingKey)
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(l.ClientCA)
	if err != nil {
		return err
	}
	accepted := x509.NewCertPool()
	accepted.AppendCertsFromPEM(authority)
	if err := os.Remove(KubeletSocket); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a killed server
		return err
	}
	listener, err := net.Listen("unix", KubeletSocket)
	if err != nil {
		return err
	}
	if err := os.Chmod(KubeletSocket, 0o600); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", l.containerLogs)
	// As kubelet's: kubectl get --raw /api/v1/nodes/NODE/proxy/debug/pprof/profile?seconds=10 > profile
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the lab's nodes run no containers", http.StatusNotImplemented)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		err := server.Serve(tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{certificate}, ClientCAs: accepted, ClientAuth: tls.RequireAndVerifyClientCert,
		}))
		if !errors.Is(err, http.ErrServerClosed) {
			logging.Warnf("kubelet stand-in: %v", err)
		}
	}()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

// containerLogs answers kubelet's request of that name, with the parameters of `kubectl logs`.
func (l *Loop) containerLogs(w http.ResponseWriter, r *http.Request) {
	wanted, err := parseLogQuery(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	namespace, pod, container := r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container")
	path := l.programs.logs.path(namespace, pod, container, wanted.previous)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && wanted.previous {
		http.Error(w, fmt.Sprintf("previous terminated container %q in pod %q not found", container, pod), http.StatusBadRequest)
		return
	} else if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(w, "The lab runs no container here: the pod is only reported as running, and writes no log.")
		return
	} else if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	if err := wanted.copy(r.Context(), w, file); err != nil && r.Context().Err() == nil {
		logging.Warnf("log of %s/%s %s: %v", namespace, pod, container, err)
	}
}

// logQuery is what a request for a log asks for.
type logQuery struct {
	follow, previous, timestamps bool
	tail                         int // -1: all
	limit                        int // bytes; -1: all
	since                        time.Time
}

func parseLogQuery(query url.Values, now time.Time) (logQuery, error) {
	wanted := logQuery{tail: -1, limit: -1}
	for name, target := range map[string]*bool{"follow": &wanted.follow, "previous": &wanted.previous, "timestamps": &wanted.timestamps} {
		if text := query.Get(name); text != "" {
			value, err := strconv.ParseBool(text)
			if err != nil {
				return wanted, fmt.Errorf("%s: %w", name, err)
			}
			*target = value
		}
	}
	for name, target := range map[string]*int{"tailLines": &wanted.tail, "limitBytes": &wanted.limit} {
		if text := query.Get(name); text != "" {
			value, err := strconv.Atoi(text)
			if err != nil {
				return wanted, fmt.Errorf("%s: %w", name, err)
			}
			*target = value
		}
	}
	if text := query.Get("sinceSeconds"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil {
			return wanted, fmt.Errorf("sinceSeconds: %w", err)
		}
		wanted.since = now.Add(-time.Duration(seconds) * time.Second)
	}
	if text := query.Get("sinceTime"); text != "" {
		moment, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return wanted, fmt.Errorf("sinceTime: %w", err)
		}
		wanted.since = moment
	}
	return wanted, nil
}

// copy writes the lines asked for, and with follow those to come until ctx ends or the file is replaced or removed.
func (q logQuery) copy(ctx context.Context, out io.Writer, file *os.File) error {
	reader := bufio.NewReader(file)
	var kept []string
	partial := "" // a line being written is shown when it is whole
	for {
		line, err := reader.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil {
			partial = line
			break
		}
		if text, wanted := q.format(line); wanted {
			kept = append(kept, text)
		}
		if q.tail >= 0 && len(kept) > q.tail {
			kept = kept[len(kept)-q.tail:]
		}
	}
	text := strings.Join(kept, "")
	if q.limit >= 0 && len(text) > q.limit {
		_, err := io.WriteString(out, text[:q.limit])
		return err
	}
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	for q.follow && ctx.Err() == nil {
		if flusher, ok := out.(http.Flusher); ok {
			flusher.Flush()
		}
		line, err := reader.ReadString('\n')
		partial += line
		if errors.Is(err, io.EOF) {
			if !isCurrent(file) {
				return nil
			}
			sleep(ctx, followEvery)
			continue
		} else if err != nil {
			return err
		}
		if text, wanted := q.format(partial); wanted {
			if _, err := io.WriteString(out, text); err != nil {
				return err
			}
		}
		partial = ""
	}
	return nil
}

// format turns a stored line into one to show, and says whether it is wanted.
func (q logQuery) format(line string) (text string, wanted bool) {
	stamp, rest, found := strings.Cut(line, " ")
	if !found {
		return line, true
	}
	if !q.since.IsZero() {
		if moment, err := time.Parse(time.RFC3339Nano, stamp); err == nil && moment.Before(q.since) {
			return "", false
		}
	}
	if q.timestamps {
		return line, true
	}
	return rest, true
}

// isCurrent says whether the open file is still the one its path names.
func isCurrent(file *os.File) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(file.Name())
	return err == nil && os.SameFile(open, named)
}
