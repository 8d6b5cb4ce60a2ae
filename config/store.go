package config

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Store is where state is kept, and together with which other controllers. Dir
// and the files of certificates are absolute after loading. Key and EarlierKeys
// are references: Resolve turns them into the secrets.
type Store struct {
	Dir         string        `yaml:"dir" default:"data" doc:"Folder for the store, the audit record, inventories and the local socket, relative to this file."`
	Key         Ref           `yaml:"key" doc:"Reference to the store key: 32 random bytes in base64 (openssl rand -base64 32), the same for every controller, never in the data folder. Absent: serve makes one beside this file, for a single controller only."`
	EarlierKeys []Ref         `yaml:"earlier_keys" max:"10" doc:"References to store keys from before a rotation: what they sealed stays readable."`
	Name        string        `yaml:"name" pattern:"controller" doc:"This controller's name, as the others and status know it; it is its vantage too. Absent: local. Several controllers need one each."`
	Lease       time.Duration `yaml:"lease" default:"10s" min:"5s" max:"1m" doc:"How long a leader that has fallen silent stays the leader, in whole seconds."`
	Embedded    Embedded      `yaml:"embedded" doc:"The store's member inside this program. Absent: a single member that opens no port."`
	Endpoints   []string      `yaml:"endpoints" unique:"true" max:"15" doc:"Instead of embedded: the client URLs of an existing etcd cluster, https://host:port."`
	TLS         Certificates  `yaml:"tls" doc:"For endpoints: this controller's certificate and the cluster's own CA."`
	Controllers []Controller  `yaml:"controllers" max:"15" doc:"For endpoints: all controllers that share the cluster, this one with them. With embedded peers these are the controllers. Absent: this one alone."`
}

// Embedded is the store's member inside the program. Quota and Ballast are in
// MiB.
type Embedded struct {
	Peers        []Peer       `yaml:"peers" max:"7" doc:"All members of a cluster that the controllers form among themselves, this one with them: three or five. Absent: a single member."`
	ClientURL    string       `yaml:"client_url" doc:"Where etcd's own tools may reach this member, https://host:port. Absent: on its socket only."`
	TLS          Certificates `yaml:"tls" doc:"This member's certificate, good for server and client authentication, and the cluster's own CA."`
	AllowedNames []string     `yaml:"allowed_names" unique:"true" max:"50" doc:"DNS names and addresses that a peer's certificate may be for. Absent: the hosts of the peers."`
	Quota        int          `yaml:"quota" default:"1024" min:"64" max:"8192" doc:"The most that the database may take on the disk, in MiB."`
	Ballast      int          `yaml:"ballast" default:"64" min:"0" max:"1024" doc:"Size in MiB of a file that is given up when the disk is full, so that a move can still be recorded; 0 for none."`
	Join         bool         `yaml:"join" default:"false" doc:"The cluster runs already and has been told of this new member."`
}

// Peer is one member of the controllers' own cluster.
type Peer struct {
	Name string `yaml:"name" required:"true" pattern:"controller" doc:"The controller's name, its store.name."`
	URL  string `yaml:"url" required:"true" doc:"Where the other members reach it, https://host:port."`
	// Network is declared, not found out.
	Network string `yaml:"network" pattern:"label" doc:"Your word for the network that it probes from: vantages on one network fail together."`
}

// Controller is one of those that share an existing cluster.
type Controller struct {
	Name    string `yaml:"name" required:"true" pattern:"controller" doc:"The controller's name, its store.name."`
	Network string `yaml:"network" pattern:"label" doc:"Your word for the network that it probes from: vantages on one network fail together."`
}

// Certificates are files, relative to the config; absolute after loading.
type Certificates struct {
	Cert string `yaml:"cert" required:"true" doc:"PEM file of the certificate, relative to this file."`
	Key  string `yaml:"key" required:"true" doc:"PEM file of its private key, relative to this file."`
	CA   string `yaml:"ca" required:"true" doc:"PEM file of the CA that alone is trusted (the system's never are), relative to this file."`
}

// defaultController is the name of a controller that is alone.
const defaultController = "local"

// Alone reports whether one controller has the store for itself.
func (s Store) Alone() bool { return len(s.Embedded.Peers) == 0 && len(s.Endpoints) == 0 }

// All returns all controllers, this one with them, by name. Each is a vantage.
func (s Store) All() []Controller {
	out := slices.Clone(s.Controllers)
	for _, p := range s.Embedded.Peers {
		out = append(out, Controller{p.Name, p.Network})
	}
	if len(out) == 0 {
		out = []Controller{{Name: s.Name}}
	}
	slices.SortFunc(out, func(a, b Controller) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Folder is where the embedded member keeps its data: a folder of its own, so
// that it can be put away and restored without the audit record beside it.
func (s Store) Folder() string { return filepath.Join(s.Dir, "store") }

// KeyFile is where serve makes the store key of a single controller that names
// none: beside the config and named after it.
func (c *Config) KeyFile() string {
	base := filepath.Base(c.file)
	return filepath.Join(c.dir, strings.TrimSuffix(base, filepath.Ext(base))+".store-key")
}

func (c *checker) store() {
	s := &c.doc.Store
	if strings.HasPrefix(s.Dir, "~") {
		c.fail("store.dir", "~ is not understood here", "write the folder out, or relative to this file")
		return
	}
	if s.Dir != "" && !filepath.IsAbs(s.Dir) {
		s.Dir = filepath.Join(c.dir, s.Dir)
	}
	if s.Lease%time.Second != 0 {
		c.fail("store.lease", fmt.Sprintf("%s is not a number of whole seconds", s.Lease), "write it as 10s")
	}
	c.storeKeys(s)
	switch {
	case len(s.Endpoints) > 0 && c.written("store", "embedded"):
		c.fail("store.endpoints", "the store is both embedded and an existing cluster", "keep one of embedded and endpoints")
	case len(s.Endpoints) > 0:
		c.existing(s)
	case c.written("store", "tls"):
		c.fail("store.tls", "it belongs to endpoints, and there are none", "remove it; the certificates of embedded peers are in store.embedded.tls")
	case c.written("store", "controllers"):
		c.fail("store.controllers", "it belongs to endpoints, and there are none", "remove it; the embedded peers are the controllers")
	default:
		c.embedded(s)
	}
	if s.Name == "" && s.Alone() {
		s.Name = defaultController
	}
}

// storeKeys keeps the store key out of the data folder: who has both can write
// records that are believed (spec 11.1).
func (c *checker) storeKeys(s *Store) {
	keys := map[string]Ref{"store.key": s.Key}
	for i, k := range s.EarlierKeys {
		keys[fmt.Sprintf("store.earlier_keys[%d]", i)] = k
	}
	for path, ref := range keys {
		name, isFile := strings.CutPrefix(string(ref), "file:")
		if isFile && !filepath.IsAbs(name) {
			name = filepath.Join(c.dir, name)
		}
		if isFile && within(s.Dir, name) {
			c.fail(path, "the store key is in the data folder: who has both can write records that are believed", "keep it elsewhere, such as beside this file")
		}
	}
	if len(s.EarlierKeys) > 0 && s.Key == "" {
		c.missing("store", "key", "earlier keys stand beside the one in use")
	}
	if s.Key == "" && s.Alone() && within(s.Dir, c.dir) {
		c.missing("store", "key", "serve would make one beside this file, and this file is in the data folder")
	}
}

// within reports whether a file is in a folder or is it.
func within(dir, name string) bool {
	rel, err := filepath.Rel(dir, name)
	return dir != "" && err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// existing checks a cluster that others run.
func (c *checker) existing(s *Store) {
	secure := false
	for i, e := range s.Endpoints {
		secure = c.memberURL(fmt.Sprintf("store.endpoints[%d]", i), e) || secure
	}
	if secure && !c.written("store", "tls") {
		c.missing("store", "tls", "an https endpoint needs a certificate, its key and the cluster's own CA")
	}
	c.certificates("store.tls", &s.TLS)
	c.shared(s)
	c.names("store.controllers", len(s.Controllers), func(i int) string { return s.Controllers[i].Name })
	mine := slices.ContainsFunc(s.Controllers, func(o Controller) bool { return o.Name == s.Name })
	if s.Name != "" && len(s.Controllers) > 0 && !mine {
		c.fail("store.controllers", fmt.Sprintf("this controller, %q, is not among them", s.Name), "add it")
	}
}

// embedded checks a single member or the controllers' own cluster.
func (c *checker) embedded(s *Store) {
	e := &s.Embedded
	if len(e.Peers) == 0 {
		for _, key := range []string{"client_url", "tls", "allowed_names", "join", "peers"} {
			if c.written("store.embedded", key) {
				c.fail("store.embedded."+key, "a single member opens no port and has no peers", "name the peers, or remove it")
			}
		}
		return
	}
	c.names("store.embedded.peers", len(e.Peers), func(i int) string { return e.Peers[i].Name })
	secure, mine := false, false
	for i, p := range e.Peers {
		secure = c.memberURL(fmt.Sprintf("store.embedded.peers[%d].url", i), p.URL) || secure
		mine = mine || p.Name == s.Name
	}
	if e.ClientURL != "" {
		secure = c.memberURL("store.embedded.client_url", e.ClientURL) || secure
	}
	if secure && !c.written("store.embedded", "tls") {
		c.missing("store.embedded", "tls", "https between members needs a certificate, its key and the cluster's own CA")
	}
	c.certificates("store.embedded.tls", &e.TLS)
	c.shared(s)
	if s.Name != "" && !mine {
		c.fail("store.name", fmt.Sprintf("no peer is called %q", s.Name), "name this controller as its entry in store.embedded.peers does")
	}
	if len(e.Peers)%2 == 0 {
		c.warn("store.embedded.peers", fmt.Sprintf("%d members survive the loss of no more of them than %d do", len(e.Peers), len(e.Peers)-1), "run three, or five")
	}
}

// shared checks what every store that several controllers use needs.
func (c *checker) shared(s *Store) {
	c.missingValue("store", "name", s.Name, "several controllers have to be told apart")
	c.missingValue("store", "key", string(s.Key), "a key that each controller made for itself would fit no other")
}

// missingValue reports an absent key whose value is empty.
func (c *checker) missingValue(section, key, value, why string) {
	if value == "" {
		c.missing(section, key, why)
	}
}

// certificates makes the names of the files absolute.
func (c *checker) certificates(path string, t *Certificates) {
	for key, name := range map[string]*string{"cert": &t.Cert, "key": &t.Key, "ca": &t.CA} {
		switch {
		case strings.HasPrefix(*name, "~"):
			c.fail(path+"."+key, "~ is not understood here", "write the path out, or relative to this file")
		case *name != "" && !filepath.IsAbs(*name):
			*name = filepath.Join(c.dir, *name)
		}
	}
}

// memberURL checks scheme://host:port, http for this machine only (spec 11.3);
// it reports whether it is https.
func (c *checker) memberURL(path, text string) (secure bool) {
	const shape = "write it as https://ctl-a.example:2380"
	if text == "" {
		return false
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Port() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		c.fail(path, "this is not a URL of a host and a port", shape)
	case u.User != nil:
		c.fail(path, "the URL holds a user name or a password", shape)
	case u.Scheme == "https":
		return true
	case u.Scheme != "http":
		c.fail(path, "members are reached over https", shape)
	case u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback():
		c.fail(path, "http is for loopback only", "use https, with the cluster's own CA")
	}
	return false
}
