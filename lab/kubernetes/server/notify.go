package server

import (
	"os"

	"capi-mgmt/lab/kubernetes/logging"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notifier tells systemd how the service is (Type=notify).
type notifier string

// newNotifier takes NOTIFY_SOCKET out of the environment. kube-apiserver sends READY=1 by itself, seconds before
// the controllers run, and would be believed; k3s hides the variable for the same reason.
func newNotifier() notifier {
	socket := os.Getenv("NOTIFY_SOCKET")
	os.Unsetenv("NOTIFY_SOCKET")
	return notifier(socket)
}

// send tells systemd a state such as daemon.SdNotifyReady; without systemd it does nothing.
func (n notifier) send(state string) {
	if n == "" {
		return
	}
	os.Setenv("NOTIFY_SOCKET", string(n))
	if _, err := daemon.SdNotify(true, state); err != nil {
		logging.Warnf("systemd could not be told %s: %v", state, err)
	}
}
