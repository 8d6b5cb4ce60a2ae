package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/secret"
)

// Ref names a secret without holding it: env:NAME or file:PATH. The zero value
// means that none is configured.
type Ref string

// UnmarshalText accepts a reference. Anything else may be the secret itself, so
// the error does not repeat it.
func (r *Ref) UnmarshalText(b []byte) error {
	if !isRef(string(b)) {
		return errors.New("a secret is named by reference and never written into this file; write env:NAME or file:PATH, and replace the secret if this file was shared")
	}
	*r = Ref(b)
	return nil
}

// isRef reports whether the text is env:NAME or file:PATH.
func isRef(text string) bool {
	kind, name, _ := strings.Cut(text, ":")
	switch kind {
	case "env":
		return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`).MatchString(name)
	case "file":
		return name != "" && len(name) < 4096 && strings.TrimSpace(name) == name
	}
	return false
}

// KeyID is an AWS access key id, which is no secret, or a reference to one.
type KeyID string

// UnmarshalText accepts an access key id or a reference; the error does not
// repeat the text, which may be the secret key pasted into the wrong line.
func (k *KeyID) UnmarshalText(b []byte) error {
	if !isRef(string(b)) && !regexp.MustCompile(`^[A-Z0-9]{16,32}$`).Match(b) {
		return errors.New("this is neither an access key id (16 to 32 capital letters and digits, such as AKIA...) nor env:NAME or file:PATH; write one of these")
	}
	*k = KeyID(b)
	return nil
}

// Secrets are the resolved references of a config. AWS.AccessKeyID is empty
// when no keys are configured. Tokens are by tenant name: an API token or a client secret.
type Secrets struct {
	AWS    AWSKeys
	Proxy  secret.Value // the proxy URL, zero when none is configured
	Tokens map[string]secret.Value
	Proofs map[string]ProofSecrets // by tenant name
	// StoreKey is zero where the config names none; serve then makes one.
	StoreKey         secret.Value
	EarlierStoreKeys []secret.Value
	Slack            SlackSecrets
	Sinks            map[string]SinkSecrets  // by the sink's name
	Hooks            map[string]HookSecrets  // by the hook's name
	AuditSinks       map[string]secret.Value // by the sink's name
}

// ProofSecrets are those of a tenant's test user; ClientSecret is OneLogin's.
type ProofSecrets struct{ Password, ClientSecret secret.Value }

// AWSKeys are base credentials.
type AWSKeys struct {
	AccessKeyID     string
	SecretAccessKey secret.Value
	SessionToken    secret.Value
}

// Resolve reads every reference in the config; errors name each one that does
// not resolve, with its place, as one *Error. Call it at start, before any
// outage needs the secrets (spec 15.1).
func (c *Config) Resolve(r secret.Resolver) (Secrets, error) {
	out := Secrets{Tokens: map[string]secret.Value{}, Proofs: map[string]ProofSecrets{}, Sinks: map[string]SinkSecrets{}, Hooks: map[string]HookSecrets{},
		AuditSinks: map[string]secret.Value{}}
	fail := &Error{}
	get := func(path, ref string) secret.Value {
		if ref == "" {
			return secret.Value{}
		}
		v, err := r.Resolve(ref)
		if err != nil {
			fail.Problems = append(fail.Problems, Problem{File: c.file, Pos: c.places[path], Path: path,
				Message: err.Error(), Code: finding.ConfigInvalid})
		}
		return v
	}
	out.Proxy = secret.New(c.Network.Proxy)
	if isRef(c.Network.Proxy) {
		out.Proxy = get("network.proxy", c.Network.Proxy)
	}
	out.AWS.AccessKeyID = string(c.AWS.AccessKeyID)
	if isRef(out.AWS.AccessKeyID) {
		out.AWS.AccessKeyID = get("aws.access_key_id", out.AWS.AccessKeyID).Reveal()
	}
	out.AWS.SecretAccessKey = get("aws.secret_access_key", string(c.AWS.SecretAccessKey))
	out.AWS.SessionToken = get("aws.session_token", string(c.AWS.SessionToken))
	out.StoreKey = get("store.key", string(c.Store.Key))
	for i, k := range c.Store.EarlierKeys {
		out.EarlierStoreKeys = append(out.EarlierStoreKeys, get(fmt.Sprintf("store.earlier_keys[%d]", i), string(k)))
	}
	for i, t := range c.Tenants {
		key, ref := t.credential()
		out.Tokens[t.Name] = get(fmt.Sprintf("tenants[%d].%s", i, key), string(ref))
		if t.Proof.User != "" {
			at := fmt.Sprintf("tenants[%d].proof", i)
			out.Proofs[t.Name] = ProofSecrets{get(at+".password", string(t.Proof.Password)), get(at+".client_secret", string(t.Proof.ClientSecret))}
		}
	}
	for path, ref := range c.Slack.references() {
		out.Slack.set(path, get(path, string(ref)))
	}
	under := func(section string) func(string, Ref) secret.Value {
		return func(key string, ref Ref) secret.Value { return get(section+"."+key, string(ref)) }
	}
	for i, s := range c.Notify {
		out.Sinks[s.Name] = s.resolve(under(fmt.Sprintf("notify[%d]", i)))
	}
	for i, h := range c.Hooks {
		out.Hooks[h.Name] = h.resolve(under(fmt.Sprintf("hooks[%d]", i)))
	}
	for i, s := range c.Audit.Sinks {
		out.AuditSinks[s.Name] = get(fmt.Sprintf("audit.sinks[%d].secret", i), string(s.Secret))
	}
	if len(fail.Problems) > 0 {
		return Secrets{}, fail
	}
	return out, nil
}

// references returns every file: reference by its path in the config.
func (c *Config) references() map[string]string {
	out := map[string]string{}
	add := func(path, ref string) {
		if name, ok := strings.CutPrefix(ref, "file:"); ok {
			if !filepath.IsAbs(name) {
				name = filepath.Join(c.dir, name)
			}
			out[path] = name
		}
	}
	add("network.proxy", c.Network.Proxy)
	add("aws.access_key_id", string(c.AWS.AccessKeyID))
	add("aws.secret_access_key", string(c.AWS.SecretAccessKey))
	add("aws.session_token", string(c.AWS.SessionToken))
	add("store.key", string(c.Store.Key))
	for i, k := range c.Store.EarlierKeys {
		add(fmt.Sprintf("store.earlier_keys[%d]", i), string(k))
	}
	for path, ref := range c.Slack.references() {
		add(path, string(ref))
	}
	for i, s := range c.Notify {
		for key, ref := range s.references() {
			add(fmt.Sprintf("notify[%d].%s", i, key), string(ref))
		}
	}
	for i, h := range c.Hooks {
		for key, ref := range h.references() {
			add(fmt.Sprintf("hooks[%d].%s", i, key), string(ref))
		}
	}
	for i, s := range c.Audit.Sinks {
		add(fmt.Sprintf("audit.sinks[%d].secret", i), string(s.Secret))
	}
	for i, t := range c.Tenants {
		key, ref := t.credential()
		add(fmt.Sprintf("tenants[%d].%s", i, key), string(ref))
		add(fmt.Sprintf("tenants[%d].proof.password", i), string(t.Proof.Password))
		add(fmt.Sprintf("tenants[%d].proof.client_secret", i), string(t.Proof.ClientSecret))
	}
	return out
}

// checkSecretFile refuses a secret file that others may change and doubts one
// that others may read. A missing file is Resolve's to report.
func checkSecretFile(name string) (refused, doubted string) {
	info, err := os.Stat(name)
	switch {
	case err != nil || !info.Mode().IsRegular():
		return "", ""
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Sprintf("the secret file %s can be changed by other users (mode %04o)", quote(name), info.Mode().Perm()), ""
	case info.Mode().Perm()&0o044 != 0:
		return "", fmt.Sprintf("the secret file %s can be read by other users (mode %04o)", quote(name), info.Mode().Perm())
	}
	return "", ""
}
