package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/app"
)

// keeps is a receiver of an audit webhook.
type keeps struct {
	mu   sync.Mutex
	text strings.Builder
}

func (k *keeps) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b := make([]byte, r.ContentLength)
	if _, err := r.Body.Read(b); err != nil && len(b) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.Header.Get("Samlfailover-Signature") == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	k.text.Write(b)
}

// file writes what was received.
func (k *keeps) file(t *testing.T) string {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	name := filepath.Join(t.TempDir(), "kept.jsonl")
	if err := os.WriteFile(name, []byte(k.text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The controller copies every record to a file and to a webhook; one that is ill
// shows in the status and stops nothing; one on an address that is not listed
// keeps the config from being taken. spec 11.4 spec 14
func TestAuditSinks(t *testing.T) {
	t.Parallel()
	l := newWorld(t)
	k := &keeps{}
	srv := httptest.NewServer(k)
	defer srv.Close()
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, srv.URL, http.StatusTemporaryRedirect)
	}))
	defer ill.Close()
	worm := filepath.Join(t.TempDir(), "worm.jsonl")
	l.env = l.edited(t, "\nfederations:", `
audit:
  sinks:
    - {name: worm, file: `+worm+`}
    - {name: siem, url: "`+srv.URL+`/audit", secret: env:SIEM, send: heads, allow: [127.0.0.1, "::1"]}
    - {name: inside, url: "`+ill.URL+`", secret: env:SIEM, allow: [127.0.0.0/8, "::1"]}

federations:`)
	l.env["SIEM"] = strings.Repeat("s3cr3t-", 6)
	secret := l.env["SIEM"]
	l.env["SIEM"] = "short"
	cli(t, l.env, "serve").wants(t, exitFailed, "shorter than 32 bytes")
	l.env["SIEM"] = secret
	text, err := os.ReadFile(l.env["SAMLFAILOVER_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(l.dir, "not-listed.yaml") // spec 7.8
	if err := os.WriteFile(open, []byte(strings.ReplaceAll(string(text), `, allow: [127.0.0.0/8, "::1"]`, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	cli(t, l.env, "serve", "-c", open).wants(t, exitFailed, "address-refused", "audit sink inside")
	l.serve(t)
	cli(t, l.env, "pause", "--reason", "a test").wants(t, exitDone)
	verified := func(args ...string) (s app.AuditState) {
		r := cli(t, l.env, append([]string{"audit", "verify", "--output", "json"}, args...)...)
		if err := json.Unmarshal([]byte(r.out), &s); err != nil && r.code == exitDone {
			t.Errorf("%v: %s%s", err, r.out, r.err)
		}
		return s
	}
	if !poll(func() bool { s := verified("--sink", "worm"); return s.Whole && s.FirstUnproven == s.Records+1 }) {
		t.Errorf("the file: %+v", verified("--sink", "worm"))
	}
	if !poll(func() bool { s := verified("--head", k.file(t)); return s.Whole && s.FirstUnproven == s.Records+1 }) {
		t.Errorf("the webhook: %+v", verified("--head", k.file(t)))
	}
	cli(t, l.env, "audit", "verify", "--sink", "worm").wants(t, exitDone, "nothing was changed up to record")
	cli(t, l.env, "audit", "verify", "--sink", "siem").wants(t, exitFailed, "with whoever receives it")
	cli(t, l.env, "audit", "verify", "--sink", "nobody").wants(t, exitFailed, "worm, siem, inside")
	cli(t, l.env, "audit", "verify", "--sink", "worm", "--head", worm).wants(t, exitUsage, "give one of them")
	if !poll(func() bool { return strings.Contains(cli(t, l.env, "store", "status").out, "audit sink inside") }) {
		t.Errorf("the status does not tell:\n%s", cli(t, l.env, "store", "status").out)
	}
	status := cli(t, l.env, "status", "--output", "json")
	status.wants(t, exitDone, "a redirect, which is not followed")
	if strings.Contains(status.out, "s3cr3t") || strings.Contains(status.out, "audit sink worm") {
		t.Errorf("the status has a secret, or a finding about a sink that is well:\n%s", status.out)
	}
	out := filepath.Join(t.TempDir(), "b.zip")
	cli(t, l.env, "audit", "bundle", "--from", "1h", "--out", out).wants(t, exitDone, "records, 1 to")
	cli(t, l.env, "audit", "verify", out).wants(t, exitDone, "whole")
	cli(t, l.env, "audit", "bundle", "--from", "1h").wants(t, exitUsage, "--out")
	cli(t, l.env, "audit", "bundle", "--from", "2020-01-02", "--to", "2020-01-01", "--out", out+"2").wants(t, exitUsage, "not before")
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, raw[:len(raw)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	cli(t, l.env, "audit", "verify", out).wants(t, exitFailed, "open the bundle")
}
