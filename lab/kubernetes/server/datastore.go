package server

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"github.com/k3s-io/kine/pkg/drivers"
	"github.com/k3s-io/kine/pkg/drivers/generic"
	"github.com/k3s-io/kine/pkg/drivers/sqlite"
	kineserver "github.com/k3s-io/kine/pkg/server"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

const (
	reportedEtcdVersion = "3.6.11"        // the etcd whose behaviour kine follows
	notifyInterval      = 5 * time.Second // kine's own default, as all below
	watchesLimit        = 2 * time.Second // for open watches to end
)

// startDatastore opens the database file, made if absent, and serves it as etcd at socket, with kine as k3s does. stop ends
// both. Upstream analogue: k3s's pkg/cluster/storage with its default datastore.
//
// Only kine's SQLite driver is linked in: its pkg/endpoint, which would do all this, pulls in NATS, PostgreSQL, MySQL and the
// AWS SDK.
func startDatastore(database, socket string) (stop func(), err error) {
	running := &sync.WaitGroup{}
	ctx, cancel := context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	_, backend, err := sqlite.New(ctx, running, &drivers.Config{
		DataSourceName:        database + "?" + sqlite.DefaultParams,
		ConnectionPoolConfig:  generic.ConnectionPoolConfig{MaxIdleTime: 2 * time.Minute},
		PollInterval:          time.Second,
		PollBatchSize:         500,
		CompactInterval:       5 * time.Minute, // kine compacts, not the API server, as in k3s
		CompactIntervalJitter: 5,
		CompactTimeout:        5 * time.Second,
		CompactMinRetain:      1000,
		CompactBatchSize:      1000,
	})
	if err != nil {
		return nil, err
	}
	if err := backend.Start(ctx); err != nil {
		return nil, err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a killed server
		return nil, err
	}
	listener, err := net.Listen("unix", socket) // below a folder that is root's alone
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(2<<20), grpc.MaxSendMsgSize(1<<31-1),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}))
	kineserver.New(backend, "unix", notifyInterval, reportedEtcdVersion).Register(server)
	go server.Serve(listener) // ends with an error only after Stop
	return func() {
		forced := time.AfterFunc(watchesLimit, server.Stop)
		server.GracefulStop()
		forced.Stop()
		cancel()
		running.Wait() // the driver closes the database when its context ends
	}, nil
}
