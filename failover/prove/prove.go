package prove

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// How long to wait for a sign-on that still uses the old endpoint, between one
// look and the next.
const (
	firstWait   = time.Second
	longestWait = 5 * time.Second
)

// Config is what a Prover works with; nothing may be nil. Every function is
// called concurrently.
type Config struct {
	// Read reads an app from its IdP now.
	Read func(context.Context, federation.AppRef) (idp.App, time.Time, error)
	// Assertor returns the ability of a tenant to issue assertions to a test
	// user; false: it has none.
	Assertor func(tenant string) (idp.Assertor, bool)
	// Proven reports whether a kind of app was proven in a tenant (spec 2.8).
	Proven func(tenant, kind string) bool
	// Providers returns the IAM SAML providers of the federation that an app is
	// in, as the last scan saw them: an IAM that is down must not be asked. Those
	// that no scan has seen have no certificates.
	Providers func(federation.AppRef) []inventory.Provider
}

// Prover implements move.Prover. Safe for concurrent use.
type Prover struct {
	c     Config
	users users
}

var _ move.Prover = (*Prover)(nil)

// New checks that nothing is missing.
func New(c Config) (*Prover, error) {
	if c.Read == nil || c.Assertor == nil || c.Proven == nil || c.Providers == nil {
		return nil, errors.New("a prover needs apps, assertors, proven kinds and providers")
	}
	return &Prover{c: c}, nil
}

// Prove implements move.Prover: P3 where an assertion that the app issues now
// carries the Region's endpoint and verifies, P1 with the reason otherwise. A
// sign-on may use the old endpoint for a moment after the write, so as long as
// that is all that is wrong, and while the IdP does not answer, it looks again
// until ctx ends.
func (p *Prover) Prove(ctx context.Context, app federation.AppRef, to signin.Region) (failover.Level, error) {
	assertor, ok := p.c.Assertor(app.Tenant)
	if !ok {
		return failover.P1, unprovable(noTestUser(app))
	}
	var reason error
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := p.look(ctx, assertor, app, to)
		if err == nil {
			return failover.P3, nil
		}
		// When time ran out in the middle of a look, what the look before saw says more.
		if reason == nil || ctx.Err() == nil {
			reason = err
		}
		if !mayPass(err) || !pause(ctx, wait) {
			return failover.P1, named(app, reason)
		}
	}
}

// Reach says, without a call, how far Prove can get with an app of this kind as
// things are prepared, and why no further: nil for P3.
func (p *Prover) Reach(app federation.AppRef, kind string) (failover.Level, *finding.Finding) {
	var why finding.Finding
	_, able := p.c.Assertor(app.Tenant)
	switch {
	case !able:
		why = noTestUser(app)
	case !knowsCertificate(p.c.Providers(app)):
		why = noCertificate(app, "")
	case !p.c.Proven(app.Tenant, kind):
		why = unprovenKind(app, kind, "a test user is configured")
	default:
		return failover.P3, nil
	}
	return failover.P1, &why
}

// look is one try. A nil error means that everything P3 asks for was seen.
func (p *Prover) look(ctx context.Context, assertor idp.Assertor, ref federation.AppRef, to signin.Region) error {
	app, _, err := p.c.Read(ctx, ref)
	if err != nil {
		return unread(ref, err)
	}
	if app.ACS.IsZero() || app.Region() != to {
		return missing(ref, fmt.Sprintf("the app does not point at %s any more", to), fmt.Sprintf("its endpoint is %q now: somebody changed it after the move", app.ACSText),
			"find out who changed the app, then move again or undo")
	}
	got, err := p.users.of(ref.Tenant).signIn(ctx, func() (idp.Assertion, error) { return assertor.Assert(ctx, idp.AppID(ref.ID)) })
	if err != nil {
		return err
	}
	j := judge{ref: ref, app: app, to: to, providers: p.c.Providers(ref), now: time.Now()}
	if err := j.assertion(got); err != nil {
		return err
	}
	if !p.c.Proven(ref.Tenant, app.Kind) {
		return unprovable(unprovenKind(ref, app.Kind, "its assertion carries the new endpoint and verifies"))
	}
	return nil
}

// stale wraps a finding that may go away by itself: sign-on has not caught up.
type stale struct{ finding.Finding }

func (s stale) Unwrap() error { return s.Finding }

// mayPass reports whether another look makes sense. A refusal of the test user
// does not pass: trying again could lock the user out.
func mayPass(err error) bool {
	_, behind := errors.AsType[stale](err)
	_, again := errors.AsType[*idp.RetryError](err)
	return behind || again
}

// unread is a look that ended before its assertion.
func unread(ref federation.AppRef, err error) error {
	f := missing(ref, "the moved app could not be read again to compare its assertion with", err.Error(), "see whether the IdP answers; the app was moved and read back before")
	if finding.Is(err, finding.IdPUnreachable) || finding.Is(err, finding.IdPThrottled) {
		return stale{f}
	}
	return f
}

// unprovable says that nothing speaks against the app, and that as things are
// prepared no more can be shown.
func unprovable(f finding.Finding) error { return fmt.Errorf("%w: %w", move.ErrUnprovable, f) }

// named makes sure that a reason carries a finding about the app by its name.
func named(ref federation.AppRef, err error) error {
	f, ok := finding.From(err)
	if !ok {
		return missing(ref, "the test user could not sign in through the moved app", err.Error(), "sign in through the app by hand")
	}
	f.Subject = "app " + ref.Name
	if errors.Is(err, move.ErrUnprovable) {
		return unprovable(f)
	}
	return f
}

func missing(ref federation.AppRef, what, why, remedy string) finding.Finding {
	return finding.Finding{Code: finding.ProofMissing, Subject: "app " + ref.Name, What: what, Why: why, Remedy: remedy}
}

func noTestUser(ref federation.AppRef) finding.Finding {
	return missing(ref, "no test user can show what the app issues", fmt.Sprintf("tenant %s has no section proof in the config", ref.Tenant),
		"make a test user in the IdP and name it under proof of the tenant (Okta, PingOne, OneLogin), or sign in through the app by hand")
}

func noCertificate(ref federation.AppRef, provider string) finding.Finding {
	of := "the federation's IAM SAML providers"
	if provider != "" {
		of = "the provider " + provider
	}
	return missing(ref, "which certificate IAM has for "+of+" is not known, so the app's assertion cannot be verified", "no scan has read it",
		"run: samlfailover trust scan; the scan role needs iam:GetSAMLProvider")
}

func unprovenKind(ref federation.AppRef, kind, but string) finding.Finding {
	return missing(ref, fmt.Sprintf("apps of the kind %s are not proven in tenant %s, so %s does not count as a proof", kind, ref.Tenant, "what a test user sees"), but,
		fmt.Sprintf("sign in through a moved app of this kind as a person, then add %s to proven_kinds of the tenant", kind))
}

func knowsCertificate(all []inventory.Provider) bool {
	for _, p := range all {
		if len(p.Certificates) > 0 && p.Error == nil {
			return true
		}
	}
	return false
}

// pause waits; false when ctx ends first, or would.
func pause(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Now().Add(d).After(end) {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
