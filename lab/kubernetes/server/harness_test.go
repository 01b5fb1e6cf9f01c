package server

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"capi-mgmt/lab/kubernetes/options"
	"capi-mgmt/lab/kubernetes/programs"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// asServer in the environment makes the test binary run a server with its arguments, because a server takes a whole process:
// it changes the working directory, and starts itself under other names.
const asServer = "LAB_KUBERNETES_TEST_SERVER"

func TestMain(m *testing.M) {
	programs.Run() // what the server starts is this executable too
	if os.Getenv(asServer) == "" {
		os.Exit(m.Run())
	}
	described, err := options.Parse(os.Args[1:])
	if err == nil {
		err = Run(described)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is a server under test.
type process struct {
	t       *testing.T
	command *exec.Cmd
	socket  *net.UnixConn // where systemd would listen
	log     string
	ended   chan error
}

// begin starts a server; the test ends it if it has not ended by then.
func begin(t *testing.T, arguments ...string) *process {
	t.Helper()
	dir := t.TempDir()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, command: exec.Command(binary, arguments...), socket: socket, log: filepath.Join(dir, "log"), ended: make(chan error, 1)}
	p.command.Env = append(os.Environ(), asServer+"=1", "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "K3S_CONFIG_FILE="+filepath.Join(dir, "none.yaml"))
	output, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	p.command.Stdout, p.command.Stderr = output, output
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.command.Wait() }()
	t.Cleanup(func() {
		_ = p.command.Process.Kill() // no error when it has ended
		_ = socket.Close()
	})
	return p
}

// state waits for the next state the server tells systemd.
func (p *process) state() string {
	p.t.Helper()
	if err := p.socket.SetReadDeadline(time.Now().Add(3 * time.Minute)); err != nil {
		p.t.Fatal(err)
	}
	type message struct {
		text string
		err  error
	}
	received := make(chan message, 1)
	go func() {
		buffer := make([]byte, 4096)
		n, err := p.socket.Read(buffer)
		received <- message{string(buffer[:n]), err}
	}()
	select {
	case got := <-received:
		if got.err != nil {
			p.t.Fatalf("no state: %v\n%s", got.err, p.tail())
		}
		return got.text
	case err := <-p.ended:
		p.t.Fatalf("the server ended: %v\n%s", err, p.tail())
		return ""
	}
}

// stop ends the server as systemd does, and returns how it ended.
func (p *process) stop() error {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		return err
	case <-time.After(time.Minute):
		p.t.Fatalf("did not stop\n%s", p.tail())
		return nil
	}
}

// tail gives the last lines of the server's log.
func (p *process) tail() string {
	file, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	var lines []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if lines = append(lines, scanner.Text()); len(lines) > 30 {
			lines = lines[1:]
		}
	}
	return strings.Join(lines, "\n")
}

// freePort is a port nobody listens on at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func clientOf(t *testing.T, kubeconfig string) (kubernetes.Interface, *rest.Config) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 100, 200
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client, config
}

// lastState reads a state that was told before the server ended.
func (p *process) lastState() string {
	buffer := make([]byte, 4096)
	_ = p.socket.SetReadDeadline(time.Now().Add(time.Second))
	n, err := p.socket.Read(buffer)
	if err != nil {
		return err.Error()
	}
	return string(buffer[:n])
}

// eventually asks until the answer is yes; the text of the last answer is shown otherwise.
func eventually(t *testing.T, what string, reached func() (bool, string)) {
	t.Helper()
	last := ""
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var done bool
		if done, last = reached(); done {
			return
		}
	}
	t.Fatalf("not reached: %s; last seen: %s", what, last)
}
