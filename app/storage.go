package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/store"
	"github.com/samlfailover/samlfailover/store/seal"
)

// storeCodec makes the seal of the store from the config's key. Without one, a
// single controller's is read from, or made in, the file beside the config. make
// says whether it may be made.
func storeCodec(c *config.Config, secrets config.Secrets, mayMake bool, log *slog.Logger) (*seal.Codec, error) {
	key := secrets.StoreKey
	if key.IsZero() {
		var err error
		if key, err = keyBeside(c, mayMake, log); err != nil {
			return nil, err
		}
	}
	codec, err := seal.New(key, secrets.EarlierStoreKeys...)
	if err != nil {
		return nil, finding.Finding{Code: finding.StoreSetup, Subject: "store key", What: "it cannot be used", Why: err.Error(),
			Remedy: "see that store.key, and store.earlier_keys if there are any, name the right file or variable"}
	}
	return codec, nil
}

// keyBeside returns the store key in the file beside the config. A key that is
// gone while its store exists is never made anew: it would open nothing.
func keyBeside(c *config.Config, mayMake bool, log *slog.Logger) (secret.Value, error) {
	file := c.KeyFile()
	key, err := secret.Resolver{Dir: c.Dir()}.Resolve("file:" + file)
	_, missing := os.Stat(file)
	if !errors.Is(missing, fs.ErrNotExist) {
		return key, err
	}
	_, made := os.Stat(c.Store.Folder())
	if made == nil || !mayMake {
		return secret.Value{}, finding.Finding{Code: finding.StoreSetup, Subject: "store key", What: "the store key " + file + " is not there",
			Why: "without it nothing in the store " + c.Store.Folder() + " can be read", Remedy: "put the key back from your copy, or name it in store.key; if it is lost, put the folder away and start anew"}
	}
	if key, err = seal.Create(file); err == nil {
		log.Warn("a store key was made, because the config names none; keep a copy of it apart from the backups of the store", "file", file)
	}
	return key, err
}

// storeOptions are the config's store section in the store's words.
func storeOptions(c *config.Config, codec *seal.Codec, log *slog.Logger) store.Options {
	s := c.Store
	o := store.Options{Name: s.Name, Seal: codec, LeaseTTL: s.Lease, Log: log}
	tls := func(t config.Certificates) store.TLS {
		return store.TLS{CertFile: t.Cert, KeyFile: t.Key, CAFile: t.CA}
	}
	if len(s.Endpoints) > 0 {
		o.Existing = &store.Existing{Endpoints: s.Endpoints, TLS: tls(s.TLS)}
		return o
	}
	e := s.Embedded
	o.Embedded = &store.Embedded{Dir: s.Folder(), Join: e.Join, ClientURL: e.ClientURL, TLS: tls(e.TLS), AllowedNames: e.AllowedNames,
		Quota: int64(e.Quota) << 20, Ballast: int64(e.Ballast) << 20}
	if e.Ballast == 0 {
		o.Embedded.Ballast = -1
	}
	for _, p := range e.Peers {
		o.Embedded.Peers = append(o.Embedded.Peers, store.Peer{Name: p.Name, URL: p.URL})
	}
	return o
}

// openStore opens the store of a service.
func (s *Service) openStore(ctx context.Context) (*store.Store, error) {
	codec, err := storeCodec(s.o.Config, s.first.secrets, true, s.o.Log)
	if err != nil {
		return nil, err
	}
	o := storeOptions(s.o.Config, codec, s.o.Log)
	if o.Embedded != nil {
		o.Embedded.UnsafeNoSync = s.o.UnsafeNoSync
	}
	return store.Open(ctx, o)
}

// RestoreStore fills an empty folder from a backup of the store; into is the
// config's own store folder if empty. No controller may run on it.
func RestoreStore(ctx context.Context, s Setup, backup, into string) (store.Manifest, string, error) {
	secrets, err := s.Config.Resolve(secret.Resolver{Env: s.Env, Dir: s.Config.Dir()})
	if err != nil {
		return store.Manifest{}, "", err
	}
	codec, err := storeCodec(s.Config, secrets, false, s.Log)
	if err != nil {
		return store.Manifest{}, "", err
	}
	o := storeOptions(s.Config, codec, s.Log)
	if o.Embedded == nil {
		return store.Manifest{}, "", finding.Finding{Code: finding.StoreSetup, Subject: "store", What: "an existing cluster is restored by those who run it",
			Why: "the config names store.endpoints", Remedy: "use etcdutl snapshot restore on its members"}
	}
	if into != "" {
		if o.Embedded.Dir, err = filepath.Abs(into); err != nil {
			return store.Manifest{}, "", fmt.Errorf("find the folder %s: %w", into, err)
		}
	}
	m, err := store.Restore(ctx, o, backup)
	return m, o.Embedded.Dir, err
}
