package app

import (
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/samlfailover/samlfailover/audit/copies"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signature"
)

// copiers makes a copier for each audit sink of the config. They start nothing.
func (s *engine) copiers() ([]*copies.Copier, error) {
	dir := s.o.Config.Store.Dir
	var out []*copies.Copier
	for _, a := range s.o.Config.Audit.Sinks {
		c := &copies.Copier{Name: a.Name, Path: filepath.Join(dir, AuditFile), Log: s.o.Log}
		heads := a.Send == "heads"
		if a.File != "" {
			c.Sink = copies.File{Path: a.File, Heads: heads}
			out = append(out, c)
			continue
		}
		hook, err := s.auditHook(a, s.secrets.AuditSinks[a.Name])
		if err != nil {
			return nil, err
		}
		hook.Heads, hook.Cursor = heads, filepath.Join(dir, "audit-sink-"+a.Name+".head")
		c.Sink = hook
		out = append(out, c)
	}
	return out, nil
}

// auditHook is the webhook of a sink, held to the addresses that its URL may
// lead to (spec 7.8).
func (s *engine) auditHook(a config.AuditSink, key secret.Value) (copies.Webhook, error) {
	if !signature.Strong(key) {
		return copies.Webhook{}, finding.Finding{Code: finding.ConfigInvalid, Subject: "audit sink " + a.Name, What: fmt.Sprintf("its secret is shorter than %d bytes", signature.Shortest),
			Why: "a shorter one weakens the signature", Remedy: "make one with: openssl rand -hex 32"}
	}
	u, err := url.Parse(a.URL)
	if err != nil {
		return copies.Webhook{}, fmt.Errorf("audit sink %s: its URL cannot be read: %w", a.Name, err)
	}
	client, err := s.network.Origin(outbound.OriginOptions{Name: "audit sink " + a.Name, Origin: u.Scheme + "://" + u.Host, Guard: &outbound.Guard{Allow: a.Allowed()}, Logger: s.o.Log})
	if err != nil {
		return copies.Webhook{}, err
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return copies.Webhook{Caller: client, Path: path, Secret: key, Controller: s.vantage()}, nil
}
