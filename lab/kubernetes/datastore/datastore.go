// Package datastore serves a SQLite file as etcd on a unix socket, with kine as k3s does.
// Upstream analogue: k3s's pkg/cluster/storage with its default datastore.
package datastore

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"capi-mgmt/lab/kubernetes/logging"

	"github.com/k3s-io/kine/pkg/drivers"
	"github.com/k3s-io/kine/pkg/drivers/generic"
	"github.com/k3s-io/kine/pkg/drivers/sqlite"
	kineserver "github.com/k3s-io/kine/pkg/server"
	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// kine's own defaults, which its pkg/endpoint would set.
const (
	reportedEtcdVersion = "3.6.11" // the etcd whose behaviour kine follows
	pollInterval        = time.Second
	compactInterval     = 5 * time.Minute // kine compacts, not the API server, as in k3s
	compactTimeout      = 5 * time.Second
	compactMinRetain    = 1000
	compactBatchSize    = 1000
	pollBatchSize       = 500
	jitterPercent       = 5
	notifyInterval      = 5 * time.Second
	idleConnection      = 2 * time.Minute
	maxReceive          = 2 << 20 // bytes
)

const (
	stopLimit  = 2 * time.Second // for open watches to end
	closeLimit = 5 * time.Second // for the driver to close the database; SQLite survives being killed
)

// Start opens the database file, made if absent, and serves it at socket (at most 107 bytes long). stop ends both.
//
// Only kine's SQLite driver is linked in: its pkg/endpoint would pull in NATS, PostgreSQL, MySQL and the AWS SDK.
func Start(database, socket string) (stop func(), err error) {
	logrus.SetLevel(logrus.WarnLevel)
	running := &sync.WaitGroup{}
	ctx, cancel := context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	_, backend, err := sqlite.New(ctx, running, &drivers.Config{
		DataSourceName:        database + "?" + sqlite.DefaultParams,
		ConnectionPoolConfig:  generic.ConnectionPoolConfig{MaxIdleTime: idleConnection},
		PollInterval:          pollInterval,
		CompactTimeout:        compactTimeout,
		CompactMinRetain:      compactMinRetain,
		CompactBatchSize:      compactBatchSize,
		PollBatchSize:         pollBatchSize,
		CompactInterval:       compactInterval,
		CompactIntervalJitter: jitterPercent,
	})
	if err != nil {
		return nil, err
	}
	if err := backend.Start(ctx); err != nil {
		return nil, err
	}
	server := grpc.NewServer(
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Hour, Timeout: 20 * time.Second}),
		grpc.MaxRecvMsgSize(maxReceive),
		grpc.MaxSendMsgSize(1<<31-1))
	kineserver.New(backend, "unix", notifyInterval, reportedEtcdVersion).Register(server)
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a killed server
		return nil, err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, err
	}
	go server.Serve(listener) // ends with an error only after Stop
	return func() {
		forced := time.AfterFunc(stopLimit, server.Stop)
		server.GracefulStop()
		forced.Stop()
		cancel()
		closed := make(chan struct{})
		go func() { running.Wait(); close(closed) }() // the driver closes the database when its context ends
		select {
		case <-closed:
		case <-time.After(closeLimit):
			logging.Warnf("the datastore did not close within %s", closeLimit)
		}
	}, nil
}
