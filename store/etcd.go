package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

// The Go packages embed, v3client and wal promise no compatibility between
// minor versions of etcd: only this file uses them.

// walSegment is how much of the log is allotted at a time. etcd's own 64 MiB
// are for servers with thousands of writes a second.
const walSegment = 4 << 20

// walSegmentOnce: the size is a variable of etcd's package, read by every
// server of the process.
var walSegmentOnce sync.Once

// The ticks of a single member, which waits for nobody, and of a cluster, where
// they have to outlast the network.
const (
	singleTick, singleElection   = 10 * time.Millisecond, 100 * time.Millisecond
	clusterTick, clusterElection = 100 * time.Millisecond, 1000 * time.Millisecond
)

// How long is waited for a member to start and to stop.
const (
	readySingle  = 30 * time.Second
	readyCluster = 3 * time.Second // then it serves reads and goes on waiting for a majority
	stopTime     = 10 * time.Second
)

// memberConfig is what one embedded member needs to know.
type memberConfig struct {
	name     string
	dataDir  string
	peer     url.URL   // where this member's peers reach it; a single member has none
	clients  []url.URL // where etcd clients reach it
	cluster  string    // name=url,name=url
	token    string
	single   bool
	existing bool
	quota    int64
	tls      transport.TLSInfo // for both ports; empty for sockets
	noSync   bool
}

// member is an embedded etcd server with its client inside the process.
type member struct {
	etcd   *embed.Etcd
	client *clientv3.Client
	log    *bridge
}

// startMember starts a server and returns when it answers; in a cluster at the
// latest after readyCluster, because reads are served without a majority too.
func startMember(ctx context.Context, c memberConfig, log *bridge) (*member, error) {
	walSegmentOnce.Do(func() { wal.SegmentSizeBytes = walSegment })
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = c.name, c.dataDir
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{c.peer}, []url.URL{c.peer}
	if c.single {
		// etcd would listen for peers on the host of the URL alone: for a unix URL on
		// an abstract socket that every user of the machine may connect to (3.7.3).
		cfg.ListenPeerUrls = nil
	}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = c.clients, c.clients
	cfg.PeerTLSInfo, cfg.ClientTLSInfo = c.tls, c.tls
	cfg.TlsMinVersion = "TLS1.3"
	cfg.InitialCluster, cfg.InitialClusterToken = c.cluster, c.token
	if c.existing {
		cfg.ClusterState = embed.ClusterStateFlagExisting
	}
	tick, election := clusterTick, clusterElection
	if c.single {
		tick, election = singleTick, singleElection
	}
	cfg.TickMs, cfg.ElectionMs = uint(tick.Milliseconds()), uint(election.Milliseconds())
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = embed.CompactorModePeriodic, compactEvery.String()
	cfg.QuotaBackendBytes = c.quota
	cfg.EnableGRPCGateway = false
	cfg.UnsafeNoFsync = c.noSync
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log.zap())

	e, err := startEtcd(cfg, log)
	if err != nil {
		return nil, err
	}
	m := &member{etcd: e, client: v3client.New(e.Server), log: log}
	if err := m.ready(ctx, c.single); err != nil {
		m.stop()
		return nil, err
	}
	log.started()
	return m, nil
}

// startEtcd runs embed.StartEtcd in a goroutine of its own: what etcd would end
// the process for (a damaged file, a folder that cannot be written) ends that
// goroutine, and is returned as an error with what etcd said.
func startEtcd(cfg *embed.Config, log *bridge) (*embed.Etcd, error) {
	type answer struct {
		etcd *embed.Etcd
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("etcd gave up while it started")}
		defer func() {
			if r := recover(); r != nil {
				a.err = fmt.Errorf("etcd gave up while it started: %v", r)
			}
			done <- a
		}()
		a.etcd, a.err = embed.StartEtcd(cfg)
	}()
	select {
	case a := <-done:
		if err := log.failure(); err != nil {
			return nil, err
		}
		return a.etcd, a.err
	case <-log.failed:
		return nil, log.failure()
	}
}

func (m *member) ready(ctx context.Context, single bool) error {
	limit := readyCluster
	if single {
		limit = readySingle
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-m.etcd.Server.ReadyNotify():
		return nil
	case <-m.log.failed:
		return m.log.failure()
	case <-m.etcd.Server.StopNotify():
		return errors.New("etcd stopped while it started")
	case err := <-m.etcd.Err():
		return fmt.Errorf("etcd stopped while it started: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	if single {
		return fmt.Errorf("etcd is not ready after %s", limit)
	}
	return nil
}

// stop ends the server. One that has failed may hold locks of its own for ever;
// it is left behind then, and the process has to end.
func (m *member) stop() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.client.Close() // it only ends its own context
		m.etcd.Close()
	}()
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// defrag gives the space of deleted records back to the disk. The client's own
// Defragment panics inside the process (etcd 3.7.3).
func (m *member) defrag() error { return m.etcd.Server.Backend().Defrag() }

// sizes returns the size of the database file, and how much of it is in use.
func (m *member) sizes() (size, inUse int64) {
	b := m.etcd.Server.Backend()
	return b.Size(), b.SizeInUse()
}

// dial connects to a cluster that exists.
func dial(c clientv3.Config, log *zap.Logger) (*clientv3.Client, error) {
	c.Logger = log
	return clientv3.New(c)
}

// damagedFile finds the file that etcd could not read in what it said.
func damagedFile(dataDir, said string) string {
	for _, word := range strings.FieldsFunc(said, func(r rune) bool { return strings.ContainsRune(" \"'=,;()[]", r) }) {
		word = strings.TrimRight(word, ":.")
		if strings.HasPrefix(word, dataDir) {
			if _, err := os.Stat(word); err == nil {
				return word
			}
		}
	}
	return dataDir
}
