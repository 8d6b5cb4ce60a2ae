package store

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/store/seal"
)

// Options say where the store is and with which key its records are sealed.
// Exactly one of Embedded and Existing is set.
type Options struct {
	// Name is this controller's name: unique among the controllers, a member's
	// name in an embedded cluster, and what others see as the leader.
	Name     string
	Embedded *Embedded
	Existing *Existing
	// Seal holds the store key, which is never kept in the store or its folder.
	Seal *seal.Codec
	// LeaseTTL is how long a silent leader stays leader, in whole seconds: 5 s to
	// 60 s; 0 means 10 s. A shorter one is lost on a machine that is very busy. A
	// single member leads at once after a crash, however long it is.
	LeaseTTL time.Duration
	// KeepMoves is how many ended moves are kept per federation; 0 means 1,000.
	KeepMoves int
	// Prefix of every key; "" means DefaultPrefix. Several stores may share an
	// existing cluster under different prefixes.
	Prefix string
	// Log receives the store's words, and etcd's; nil discards them.
	Log *slog.Logger
}

// Embedded is a member inside this process: alone, or one of a cluster that the
// controllers form among themselves.
type Embedded struct {
	// Dir is the data folder; one process owns it.
	Dir string
	// RuntimeDir holds the sockets if their path in Dir would be too long for the
	// system; "" means the system's folder for temporary files. A folder of this
	// user's own is made below it.
	RuntimeDir string
	// Peers are all members with this one, by Name; empty for a single member.
	Peers []Peer
	// Join says that the cluster runs already and has been told of this member.
	Join bool
	// ClientURL is where etcd clients may reach this member of a cluster, with
	// certificates as on the peer port; "" means: nowhere but on its socket.
	ClientURL string
	TLS       TLS
	// AllowedNames are the DNS names and addresses that a client certificate may
	// be for; empty means the hosts of Peers.
	AllowedNames []string
	// Quota bounds the database; 0 means 1 GiB.
	Quota int64
	// Ballast is the size of a file that is given up when the disk is full, so that
	// a move can still be recorded; 0 means 64 MiB, negative none.
	Ballast int64
	// UnsafeNoSync leaves out every sync to the disk: for tests, which lose nothing
	// by a crash of the machine.
	UnsafeNoSync bool
}

// Peer is one member of an embedded cluster. URL is https://host:port; http only
// on loopback.
type Peer struct{ Name, URL string }

// TLS names the files of a certificate for both directions (server and client
// authentication), its key, and the CA that alone is trusted. The system's own
// CAs never are.
type TLS struct{ CertFile, KeyFile, CAFile string }

// Existing is a cluster that others run; it should serve nobody else.
type Existing struct {
	Endpoints []string // https://host:port; http only on loopback
	TLS       TLS
}

// The defaults.
const (
	DefaultPrefix    = "samlfailover/"
	defaultKeepMoves = 1000
	defaultQuota     = 1 << 30
	defaultBallast   = 64 << 20
	defaultTTL       = 10 * time.Second
	minTTL, maxTTL   = 5 * time.Second, 60 * time.Second
)

// setup makes the finding for settings that cannot be used.
func setup(what string, err error) error {
	return finding.Finding{Code: finding.StoreSetup, Subject: "store", What: what, Why: err.Error(),
		Remedy: "correct the settings of the store in the config"}
}

// settled checks the options and returns them with every default filled in.
func (o Options) settled() (Options, error) {
	switch {
	case o.Seal == nil:
		return o, setup("there is no store key", errors.New("records that steer a write have to be signed"))
	case (o.Embedded == nil) == (o.Existing == nil):
		return o, setup("where the store is is not clear", errors.New("either a data folder or the endpoints of an existing cluster"))
	case o.Name == "" || strings.ContainsAny(o.Name, "=,/\n"):
		return o, setup("this controller needs a name", fmt.Errorf("%q is empty or holds one of = , /", o.Name))
	}
	if o.LeaseTTL == 0 {
		o.LeaseTTL = defaultTTL
	}
	if o.LeaseTTL < minTTL || o.LeaseTTL > maxTTL || o.LeaseTTL%time.Second != 0 {
		return o, setup("the lease cannot last "+o.LeaseTTL.String(), fmt.Errorf("whole seconds from %s to %s", minTTL, maxTTL))
	}
	if o.KeepMoves <= 0 {
		o.KeepMoves = defaultKeepMoves
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	if o.Embedded != nil {
		o.Embedded, err = o.Embedded.settled(o.Name)
	} else {
		err = o.Existing.check()
	}
	return o, err
}

func (e Embedded) settled(name string) (*Embedded, error) {
	if e.Dir == "" {
		return nil, setup("the store has no data folder", errors.New("its name is empty"))
	}
	dir, err := filepath.Abs(e.Dir)
	if err != nil {
		return nil, setup("the data folder cannot be found", err)
	}
	e.Dir = dir
	if e.Quota == 0 {
		e.Quota = defaultQuota
	}
	if e.Ballast == 0 {
		e.Ballast = defaultBallast
	}
	if len(e.Peers) == 0 {
		if e.ClientURL != "" {
			return nil, setup("a single member opens no port", errors.New("a client URL needs peers"))
		}
		return &e, nil
	}
	return &e, e.checkPeers(name)
}

// checkPeers holds spec 11.3 for an embedded cluster, and fills in the names
// that certificates may be for.
func (e *Embedded) checkPeers(name string) error {
	mine := false
	seen := map[string]bool{}
	var hosts []string
	for _, p := range e.Peers {
		u, err := secureURL(p.URL)
		if err != nil {
			return setup(fmt.Sprintf("peer %s cannot be used", p.Name), err)
		}
		if seen[p.Name] || p.Name == "" {
			return setup("the peers are not told apart", fmt.Errorf("the name %q is empty or stands twice", p.Name))
		}
		seen[p.Name] = true
		mine = mine || p.Name == name
		hosts = append(hosts, u.Hostname())
		if u.Scheme == "https" && e.TLS == (TLS{}) {
			return setup("the cluster has no certificates", errors.New("peers with https need a certificate, a key and their own CA"))
		}
	}
	if !mine {
		return setup("this controller is not among its peers", fmt.Errorf("no peer is called %q", name))
	}
	if e.ClientURL != "" {
		if u, err := secureURL(e.ClientURL); err != nil {
			return setup("the client URL cannot be used", err)
		} else if u.Scheme == "https" && e.TLS == (TLS{}) {
			return setup("the cluster has no certificates", errors.New("a client URL with https needs a certificate, a key and their own CA"))
		}
	}
	if len(e.AllowedNames) == 0 {
		e.AllowedNames = hosts
	}
	return nil
}

func (x Existing) check() error {
	if len(x.Endpoints) == 0 {
		return setup("the store has no endpoints", errors.New("the list is empty"))
	}
	for _, text := range x.Endpoints {
		u, err := secureURL(text)
		if err != nil {
			return setup("endpoint "+text+" cannot be used", err)
		}
		if u.Scheme == "https" && x.TLS == (TLS{}) {
			return setup("the store has no certificates", errors.New("https endpoints need a certificate, a key and their own CA"))
		}
	}
	return nil
}

// secureURL parses scheme://host:port and refuses http to anywhere but this
// machine.
func secureURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	switch {
	case u.Hostname() == "" || u.Port() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil:
		return nil, fmt.Errorf("%q is not https://host:port", text)
	case u.Scheme == "https":
		return u, nil
	case u.Scheme != "http":
		return nil, fmt.Errorf("%q is not https://host:port", text)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%q: http is for loopback only; use https with the cluster's own CA", text)
	}
	return u, nil
}
