package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/store/seal"
)

// ErrUnavailable is wrapped when the store cannot be asked: no majority, no
// connection, no answer in time.
var ErrUnavailable = errors.New("the store cannot be asked")

// ErrIntegrity is wrapped when a record cannot be trusted; the error carries the
// finding store-integrity, which names the key.
var ErrIntegrity = seal.ErrIntegrity

// Store is an open store. Anybody may read (Reads); a leader writes (Campaign).
// Safe for concurrent use.
type Store struct {
	opts   Options
	client *clientv3.Client
	log    *slog.Logger
	bridge *bridge

	member *member  // nil in an existing cluster
	folder *folder  // nil in an existing cluster
	cargo  *ballast // nil in an existing cluster
	creds  *credentials

	life context.Context // ends with Close
	end  context.CancelFunc
	wg   sync.WaitGroup

	closing sync.Once
	closed  error

	past   pastCache
	leases presence

	mu      sync.Mutex
	compact int64 // the revision of the last compaction of our own
}

// Open starts or reaches the store and returns when it answers; in an embedded
// cluster it also returns without a majority, and then serves what the member
// knows (Reads.Stale). Close it, also after Failed.
func Open(ctx context.Context, o Options) (*Store, error) {
	o, err := o.settled()
	if err != nil {
		return nil, err
	}
	s := &Store{opts: o, log: o.Log, bridge: newBridge(o.Log)}
	s.life, s.end = context.WithCancel(context.Background())
	s.leases = presence{s: s}
	if o.Embedded != nil {
		err = s.openEmbedded(ctx)
	} else {
		err = s.openExisting(ctx)
	}
	if err == nil {
		err = s.recognise(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.run(s.maintainLoop)
	return s, nil
}

// run starts work that Close waits for; false once the store is closed.
func (s *Store) run(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return false
	}
	s.wg.Go(f)
	return true
}

func (s *Store) openEmbedded(ctx context.Context) error {
	e := s.opts.Embedded
	c := memberConfig{name: s.opts.Name, dataDir: filepath.Join(e.Dir, dataFolder), quota: e.Quota, noSync: e.UnsafeNoSync,
		token: "samlfailover", single: len(e.Peers) == 0, existing: e.Join}
	if e.TLS != (TLS{}) {
		var err error
		if s.creds, err = e.TLS.load(time.Now()); err != nil {
			return err
		}
		c.tls = s.creds.info(e.AllowedNames)
	}
	var err error
	if s.folder, err = takeFolder(e); err != nil {
		return err
	}
	s.cargo = &ballast{path: s.folder.path(ballastFile), size: e.Ballast}
	s.bridge.broken = func(said string) {
		if strings.Contains(said, "no space left") {
			s.cargo.drop()
		}
	}
	s.place(e, &c)
	if s.member, err = startMember(ctx, c, s.bridge); err != nil {
		return explainStart(e.Dir, c.dataDir, err)
	}
	s.client = s.member.client
	if c.single {
		if err := s.revokeLeases(ctx); err != nil {
			return fmt.Errorf("open the store: end the leases of the process before: %w", s.explain(err))
		}
	}
	s.run(func() {
		if _, err := s.cargo.fill(); err != nil {
			s.log.Warn("store: no ballast against a full disk", "error", err)
		}
	})
	return nil
}

// place says where a member is reached: by clients on a socket, and by the peers
// of a cluster on the URL that they know it by.
func (s *Store) place(e *Embedded, c *memberConfig) {
	c.peer = url.URL{Scheme: "unix", Path: "/single-member"} // a name only: nobody listens there
	c.clients = []url.URL{{Scheme: "unix", Path: filepath.ToSlash(filepath.Join(s.folder.sockets, "client.sock"))}}
	names := []string{s.opts.Name + "=" + c.peer.String()}
	if !c.single {
		names = nil
		for _, p := range e.Peers {
			names = append(names, p.Name+"="+p.URL)
			if u, err := secureURL(p.URL); err == nil && p.Name == s.opts.Name {
				c.peer = *u
			}
		}
		if u, err := secureURL(e.ClientURL); err == nil {
			c.clients = append(c.clients, *u)
		}
	}
	c.cluster = strings.Join(names, ",")
}

// explainStart puts into words why a member did not start.
func explainStart(dir, dataDir string, err error) error {
	said := err.Error()
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("open the store: %w", err)
	case strings.Contains(said, "no space left"):
		return trouble(dir, "its disk is full", "make room (the file "+ballastFile+" in it may be removed), then start again", err)
	case strings.Contains(said, "permission denied") || strings.Contains(said, "read-only file system"):
		return trouble(dir, "it cannot be written", "check the owner and mode of the folder and everything in it, and whether the disk is mounted read-only", err)
	case strings.Contains(said, "already been bootstrapped"):
		return trouble(dir, "it is empty, and the running cluster knows this member with data of its own",
			"put its folder back; or have etcdctl remove the member and add it again, and start it once with store.embedded.join: true; if the cluster shall be a new one, stop its old members first", err)
	case strings.Contains(said, "address already in use") || strings.Contains(said, "cannot assign requested address"):
		return setup("the member cannot listen on its URL", err)
	}
	return trouble(dir, "it is damaged: "+damagedFile(dataDir, said),
		"keep the folder as evidence under another name, then restore the last backup: samlfailover store restore", err)
}

func (s *Store) openExisting(ctx context.Context) error {
	x := s.opts.Existing
	c := clientv3.Config{Endpoints: x.Endpoints, DialTimeout: 5 * time.Second, DialKeepAliveTime: 5 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second, PermitWithoutStream: true, Context: s.life}
	if x.TLS != (TLS{}) {
		var err error
		if s.creds, err = x.TLS.load(time.Now()); err != nil {
			return err
		}
		c.TLS = s.creds.config()
	}
	s.bridge.started()
	var err error
	if s.client, err = dial(c, s.bridge.zap()); err != nil {
		return setup("the endpoints of the store cannot be used", err)
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if _, err := s.client.Get(ctx, s.opts.Prefix+rootKey); err != nil {
		return fmt.Errorf("open the store: %w", s.explain(err))
	}
	return nil
}

// revokeLeases ends what a crashed process of this folder still holds: nobody
// else can be using a single member's store. What was used before stays known.
func (s *Store) revokeLeases(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	used, err := s.client.Get(ctx, s.key(onceFolder)+"/", clientv3.WithPrefix()) // with keys only etcd tells no lease
	if err != nil {
		return err
	}
	stays := map[int64]bool{}
	for _, kv := range used.Kvs {
		stays[kv.Lease] = true
	}
	leases, err := s.client.Leases(ctx)
	if err != nil {
		return err
	}
	for _, l := range leases.Leases {
		if stays[int64(l.ID)] {
			continue
		}
		if _, err := s.client.Revoke(ctx, l.ID); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return err
		}
	}
	return nil
}

// recognise compares the store with what the data folder remembers of it.
func (s *Store) recognise(ctx context.Context) error {
	if s.folder == nil {
		return nil
	}
	var known identity
	err := s.folder.readJSON(identityFile, &known)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return trouble(s.folder.dir, "it is damaged: "+s.folder.path(identityFile), "restore the last backup: samlfailover store restore", err)
	}
	r, err := s.Reads(ctx)
	if err != nil {
		return err
	}
	root, err := r.root(ctx)
	switch {
	case errors.Is(err, ErrIntegrity):
		s.log.Error("store: the root record cannot be trusted; nothing will be moved", "error", err)
		return nil // it is told where it matters: by Campaign and by every read
	case err != nil:
		return err
	case root.ID != known.Store && (root.ID != "" || !r.Stale):
		return fmt.Errorf("open the store: %w", seal.Refuse(s.opts.Prefix+rootKey, fmt.Sprintf("this folder belongs to the store %s, and it holds the store %q", known.Store, root.ID)))
	}
	return nil
}

// Failed is closed when the embedded member has given up (Err says why): the
// disk failed, or is full. End the process; the next start takes over.
func (s *Store) Failed() <-chan struct{} { return s.bridge.failed }

// Err returns why the embedded member gave up, nil if it did not.
func (s *Store) Err() error { return s.bridge.failure() }

// Close ends every leadership without resigning (resign first), stops the
// member, and gives the folder back. Closing again does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

func (s *Store) close() error {
	s.quit()
	s.bridge.stops()
	var err error
	switch {
	case s.member != nil:
		s.member.stop()
	case s.client != nil:
		if err = s.client.Close(); errors.Is(err, context.Canceled) {
			err = nil
		}
	}
	if s.folder != nil {
		err = errors.Join(err, s.folder.release())
	}
	return err
}

// quit ends all work, and takes back what this controller says of itself, so
// that others see at once that it is gone.
func (s *Store) quit() {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.wg.Wait()
	if s.client == nil || s.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), freshWithin)
	defer cancel()
	s.leases.end(ctx)
}

// Socket is the path of the socket on which etcd's own tools reach an embedded
// member, "" for an existing cluster.
func (s *Store) Socket() string {
	if s.folder == nil {
		return ""
	}
	return filepath.Join(s.folder.sockets, "client.sock")
}

// LeaseTTL is how long a silent leader stays leader: what a new one waits out.
func (s *Store) LeaseTTL() time.Duration { return s.opts.LeaseTTL }

func (s *Store) key(name string) string { return s.opts.Prefix + name }

// within bounds one request.
func (s *Store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, opTimeout)
}

// explain wraps an error of etcd: ErrUnavailable when asking again may help, the
// finding store-full when there is no space.
func (s *Store) explain(err error) error {
	switch {
	case err == nil || errors.Is(err, context.Canceled) && s.life.Err() == nil:
		return err
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w: %w", full("the store's database has reached its quota", "raise the quota of the store in the config and start again; what no longer counts is cleared within a minute"), err)
	}
	if gaveUp := s.Err(); gaveUp != nil {
		err = gaveUp
		if diskFull(gaveUp) {
			return fmt.Errorf("%w: %w", full("its disk is full, and the member has given up", "make room on the disk of "+s.folder.dir+" and start again: nothing that was recorded is lost"), errors.Join(ErrUnavailable, err))
		}
	}
	var etcd rpctypes.EtcdError
	code := status.Code(err)
	if errors.As(err, &etcd) {
		code = etcd.Code()
	}
	switch {
	case code == codes.Unavailable, code == codes.DeadlineExceeded, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, rpctypes.ErrNoLeader), s.Err() != nil, code == codes.Unknown && strings.Contains(err.Error(), "server stopped"):
		return fmt.Errorf("%w: %w", finding.Finding{Code: finding.StoreUnavailable, Subject: "store", What: "the store cannot be asked, so nothing is moved",
			Why: s.reason(err), Remedy: "see which controllers or members are down: samlfailover store status; sign-in is not affected meanwhile"}, errors.Join(ErrUnavailable, err))
	}
	return err
}

// reason says why etcd does not answer; a handshake that fails is asked for in
// its own words, because the client only says that time ran out.
func (s *Store) reason(err error) string {
	text := err.Error()
	if s.opts.Existing != nil {
		if why := s.handshake(); why != "" {
			return text + ": " + why
		}
	}
	if strings.Contains(text, "deadline exceeded") || strings.Contains(text, "timed out") {
		text += ": no majority of the members answers"
	}
	return text
}

func full(what, remedy string) finding.Finding {
	return finding.Finding{Code: finding.StoreFull, Subject: "store", What: what,
		Why: "space is needed for the record of a move", Remedy: remedy}
}
