package idptest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// Saboteur breaks one property of a good adapter; the case named must catch it.
type Saboteur struct {
	Name string
	Case string
	Wrap func(Harness) Harness
}

// Saboteurs returns at least one saboteur per case.
func Saboteurs() []Saboteur {
	return []Saboteur{
		{"reads numbers through float64", "read", onRead(throughFloat)},
		{"reads without nulls", "read", onRead(withoutNulls)},
		{"hides apps from the list", "list", func(h Harness) Harness { return h.tenant(hider{h.Tenant}) }},
		{"moves one field only", "move", onRetarget(firstOnly)},
		{"touches another field", "move", onRetarget(touchBystander)},
		{"writes without nulls", "unknown values", onWrite(withoutNulls)},
		{"writes numbers through float64", "unknown values", onWrite(throughFloat)},
		{"writes without unknown keys", "unknown values", onWrite(withoutUnknown)},
		{"always writes", "second run", onRetarget(always)},
		{"looks at the first field only", "cut-off move", onRetarget(nothingIfFirstIsThere)},
		{"skips the re-read", "concurrent edit", cached(false, false)},
		{"trusts a 200", "ignored write", cached(true, false)},
		{"calls everything volatile", "lost field", func(h Harness) Harness { return h.codec(blind{h.Codec}) }},
		{"takes a lost answer for a failure", "lost answer", cached(false, true)},
		{"writes again at once", "lost answer", insistently},
		{"takes silence for a failure", "silent write", cached(false, true)},
		{"waits for an answer for ever", "silent write", func(h Harness) Harness { return h.tenant(patient{h.Tenant}) }},
		{"undoes with the whole old document", "later edit", func(h Harness) Harness { return h.tenant(&restorer{Tenant: h.Tenant}) }},
		{"overwrites a foreign endpoint", "foreign endpoint", func(h Harness) Harness { return h.codec(overwriter{h.Codec, h}) }},
		{"overwrites a foreign RelayState", "foreign relaystate", onRetarget(ownRelayState)},
		{"follows a redirect", "redirect", follower},
		{"sends the credential along", "redirect", leaker},
		{"follows a link", "foreign link", follower},
		{"gives up when throttled", "throttled", func(h Harness) Harness { return h.tenant(impatient{h.Tenant, finding.IdPThrottled}) }},
		{"gives up on a server error", "server error", func(h Harness) Harness { return h.tenant(impatient{h.Tenant, finding.IdPUnreachable}) }},
		{"takes a late fault for a failure", "late fault", cached(false, true)},
		{"writes again after a fault", "late fault", insistently},
		{"holds on to a dead token", "token expiry", stubborn},
		{"takes a refusal for done", "rights ended", cached(true, false)},
		{"takes read-only for done", "read-only", cached(true, false)},
		{"takes a page for the app", "html", swallowing(finding.IdPAnswer)},
		{"takes a page for a success", "html", cached(true, false)},
		{"does not look at types", "wrong content type", swallowing(finding.IdPAnswer)},
		{"reads past the size limit", "too large", swallowing(finding.TooLarge)},
		{"refuses a large answer after reading it", "too large", glutton},
		{"unpacks without a limit", "gzip bomb", swallowing(finding.TooLarge)},
		{"reads past the depth limit", "too deep", swallowing(finding.TooDeep)},
		{"logs a secret", "secrets", gossiping(toLog, func(s string) string { return s })},
		{"logs a secret in base64", "secrets", gossiping(toLog, func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
		{"logs a Basic credential", "secrets", gossiping(toLog, func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+s)) })},
		{"logs a query", "secrets", gossiping(toLog, func(s string) string { return "?client_secret=" + url.QueryEscape(s) })},
		{"shows a secret in an error", "secrets", gossiping(nil, func(s string) string { return s })},
		{"reads twice", "four calls", func(h Harness) Harness { return h.tenant(doubter{h.Tenant}) }},
	}
}

func (h Harness) tenant(t idp.Tenant) Harness { h.Tenant = t; return h }
func (h Harness) codec(c idp.Codec) Harness   { h.Codec = c; return h }

// edit is a wrong treatment of a document.
type edit func(Harness, json.RawMessage) json.RawMessage

// onRead damages what is read.
func onRead(e edit) func(Harness) Harness {
	return func(h Harness) Harness { return h.tenant(badReader{h.Tenant, h, e}) }
}

type badReader struct {
	idp.Tenant
	h Harness
	e edit
}

func (s badReader) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	doc, err := s.Tenant.Read(ctx, id)
	if err == nil {
		doc.Raw = s.e(s.h, doc.Raw)
	}
	return doc, err
}

// onWrite damages what is written.
func onWrite(e edit) func(Harness) Harness {
	return func(h Harness) Harness { return h.tenant(badWriter{h.Tenant, h, e}) }
}

type badWriter struct {
	idp.Tenant
	h Harness
	e edit
}

func (s badWriter) Write(ctx context.Context, doc idp.Document, changes []idp.Change) error {
	doc.Raw = s.e(s.h, doc.Raw)
	return s.Tenant.Write(ctx, doc, changes)
}

func throughFloat(_ Harness, raw json.RawMessage) json.RawMessage {
	var floats any
	must(json.Unmarshal(raw, &floats))
	return encoded(floats)
}

func withoutNulls(_ Harness, raw json.RawMessage) json.RawMessage {
	return encoded(noNulls(tree(raw)))
}

func noNulls(v any) any {
	if o, ok := v.(map[string]any); ok {
		for k, e := range o {
			if e == nil {
				delete(o, k)
			} else {
				o[k] = noNulls(e)
			}
		}
	}
	return v
}

func withoutUnknown(h Harness, raw json.RawMessage) json.RawMessage {
	for _, p := range h.Objects {
		var err error
		raw, err = idp.Delete(raw, p.Child("xUnknown"))
		must(err)
	}
	return raw
}

// onRetarget spoils the computed changes.
func onRetarget(spoil func(Harness, idp.Document, []idp.Change) []idp.Change) func(Harness) Harness {
	return func(h Harness) Harness { return h.codec(badCodec{h.Codec, h, spoil}) }
}

type badCodec struct {
	idp.Codec
	h     Harness
	spoil func(Harness, idp.Document, []idp.Change) []idp.Change
}

func (s badCodec) Retarget(doc idp.Document, target signin.Target) ([]idp.Change, error) {
	changes, err := s.Codec.Retarget(doc, target)
	if err != nil {
		return nil, err
	}
	return s.spoil(s.h, doc, changes), nil
}

func firstOnly(_ Harness, _ idp.Document, c []idp.Change) []idp.Change { return c[:min(1, len(c))] }

func touchBystander(h Harness, doc idp.Document, c []idp.Change) []idp.Change {
	return append(c, replacement(doc, h.Bystander, `"tidied up"`))
}

func always(h Harness, doc idp.Document, c []idp.Change) []idp.Change {
	if len(c) > 0 {
		return c
	}
	now, _, err := idp.Get(doc.Raw, h.ACS[0])
	must(err)
	return []idp.Change{{Pointer: h.ACS[0], Before: now, After: now}}
}

func nothingIfFirstIsThere(h Harness, _ idp.Document, c []idp.Change) []idp.Change {
	if !slices.ContainsFunc(c, func(c idp.Change) bool { return h.ACS[0].Within(c.Pointer) }) {
		return nil
	}
	return c
}

func ownRelayState(h Harness, doc idp.Document, c []idp.Change) []idp.Change {
	home, err := h.To.Console()
	must(err)
	return append(c, replacement(doc, h.RelayState, string(idp.QuoteJSON(home.String()))))
}

func replacement(doc idp.Document, p idp.Pointer, value string) idp.Change {
	now, _, err := idp.Get(doc.Raw, p)
	must(err)
	return idp.Change{Pointer: p, Before: now, After: json.RawMessage(value)}
}

// cached answers every read but the first from memory. trusting: memory follows
// what was sent, whatever became of it. failing: a failed write stays failed.
func cached(trusting, failing bool) func(Harness) Harness {
	return func(h Harness) Harness {
		return h.tenant(&cache{Tenant: h.Tenant, trusting: trusting, failing: failing})
	}
}

type cache struct {
	idp.Tenant
	trusting, failing bool
	mu                sync.Mutex
	doc               idp.Document
}

func (s *cache) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.doc.Raw != nil {
		return s.doc, nil
	}
	doc, err := s.Tenant.Read(ctx, id)
	s.doc = doc
	return doc, err
}

func (s *cache) Write(ctx context.Context, doc idp.Document, changes []idp.Change) error {
	err := s.Tenant.Write(ctx, doc, changes)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.trusting:
		next, applyErr := idp.Apply(doc, changes)
		must(applyErr)
		s.doc = next
		return nil
	case !s.failing:
		s.doc = idp.Document{} // reads honestly after the write
	}
	return err
}

type hider struct{ idp.Tenant }

func (hider) List(context.Context) ([]idp.Document, error) { return nil, nil }

type blind struct{ idp.Codec }

func (blind) Volatile() []idp.Pointer { return []idp.Pointer{""} }

// restorer sends, from the second write on, the first document it ever read.
type restorer struct {
	idp.Tenant
	mu     sync.Mutex
	first  idp.Document
	writes int
}

func (s *restorer) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	doc, err := s.Tenant.Read(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first.Raw == nil {
		s.first = doc
	}
	return doc, err
}

func (s *restorer) Write(ctx context.Context, doc idp.Document, changes []idp.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes++; s.writes > 1 {
		return s.Tenant.Write(ctx, s.first, nil)
	}
	return s.Tenant.Write(ctx, doc, changes)
}

// overwriter finds every app movable and sets every endpoint.
type overwriter struct {
	idp.Codec
	h Harness
}

func (s overwriter) Describe(doc idp.Document) idp.App {
	app := s.Codec.Describe(doc)
	app.Movable = true
	return app
}

func (s overwriter) Retarget(doc idp.Document, target signin.Target) ([]idp.Change, error) {
	acs, err := target.To.ACS("")
	must(err)
	var out []idp.Change
	for _, p := range s.h.ACS {
		out = append(out, replacement(doc, p, string(idp.QuoteJSON(acs.String()))))
	}
	return out, nil
}

// follower takes a refused link for an empty answer, as one that followed it
// would.
func follower(h Harness) Harness { return h.tenant(eager{h.Tenant, h}) }

// leaker looks to the wire as if its credential had left.
func leaker(h Harness) Harness {
	h.Wire.mu.Lock()
	defer h.Wire.mu.Unlock()
	h.Wire.calls = append(h.Wire.calls, Call{Host: ForeignHost, Credential: true})
	return h
}

// glutton looks to the wire as if it had read everything.
func glutton(h Harness) Harness {
	h.Wire.mu.Lock()
	defer h.Wire.mu.Unlock()
	h.Wire.poured = 100 << 20
	return h
}

type eager struct {
	idp.Tenant
	h Harness
}

func (s eager) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	doc, err := s.Tenant.Read(ctx, id)
	if finding.Is(err, finding.ForeignLink) {
		return idp.Document{ID: id, Raw: s.h.snapshot(), ReadAt: time.Now()}, nil
	}
	return doc, err
}

func (s eager) List(ctx context.Context) ([]idp.Document, error) {
	docs, err := s.Tenant.List(ctx)
	if finding.Is(err, finding.ForeignLink) {
		return docs, nil
	}
	return docs, err
}

// impatient allows each call three seconds and never asks to try again.
type impatient struct {
	idp.Tenant
	code finding.Code
}

func (s impatient) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	return s.Tenant.Read(short, id)
}

func (s impatient) Write(ctx context.Context, doc idp.Document, changes []idp.Change) error {
	if err := s.Tenant.Write(ctx, doc, changes); err != nil {
		return finding.Finding{Code: s.code, What: fmt.Sprint(err)}
	}
	return nil
}

// stubborn never asks for another token: once the tokens have ended, every call
// is refused.
func stubborn(h Harness) Harness {
	if h.ExpireToken == nil {
		return h
	}
	ended, expire := false, h.ExpireToken
	h.ExpireToken = func() { ended = true; expire() }
	return h.tenant(refused{h.Tenant, &ended})
}

type refused struct {
	idp.Tenant
	ended *bool
}

func (s refused) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	if *s.ended {
		return idp.Document{}, finding.Finding{Code: finding.IdPAuth, What: "the token has ended"}
	}
	return s.Tenant.Read(ctx, id)
}

// swallowing answers from elsewhere when an answer is refused for one reason,
// as one would that did not see it.
func swallowing(code finding.Code) func(Harness) Harness {
	return func(h Harness) Harness { return h.tenant(swallower{h.Tenant, h, code}) }
}

type swallower struct {
	idp.Tenant
	h    Harness
	code finding.Code
}

func (s swallower) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	doc, err := s.Tenant.Read(ctx, id)
	if finding.Is(err, s.code) {
		return idp.Document{ID: id, Raw: s.h.snapshot(), ReadAt: time.Now()}, nil
	}
	return doc, err
}

// insistently repeats a write that may have taken effect.
func insistently(h Harness) Harness { return h.tenant(insistent{h.Tenant}) }

type insistent struct{ idp.Tenant }

func (s insistent) Write(ctx context.Context, doc idp.Document, changes []idp.Change) error {
	err := s.Tenant.Write(ctx, doc, changes)
	if again, ok := errors.AsType[*idp.RetryError](err); ok && again != nil {
		return s.Tenant.Write(ctx, doc, changes)
	}
	return err
}

// patient has no time limit of its own.
type patient struct{ idp.Tenant }

func (s patient) Write(ctx context.Context, doc idp.Document, changes []idp.Change) error {
	err := s.Tenant.Write(ctx, doc, changes)
	if errors.Is(err, context.DeadlineExceeded) {
		<-ctx.Done()
	}
	return err
}

type doubter struct{ idp.Tenant }

func (s doubter) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	if _, err := s.Tenant.Read(ctx, id); err != nil {
		return idp.Document{}, err
	}
	return s.Tenant.Read(ctx, id)
}

func tree(raw json.RawMessage) any {
	var v map[string]json.RawMessage
	if json.Unmarshal(raw, &v) != nil {
		return raw
	}
	out := map[string]any{}
	for k, e := range v {
		if string(e) == "null" {
			out[k] = nil
			continue
		}
		out[k] = tree(e)
	}
	return out
}

func encoded(v any) json.RawMessage {
	b, err := json.Marshal(v)
	must(err)
	return b
}

// must stops a saboteur that cannot do its damage: that is a fault of the suite.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("idptest saboteur: %v", err))
	}
}
