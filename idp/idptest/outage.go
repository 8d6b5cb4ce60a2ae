package idptest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// nothingLeft says whether no credential reached another host.
func (h Harness) nothingLeft() error {
	for _, c := range h.Wire.Calls() {
		if c.Host == ForeignHost && c.Credential {
			return fmt.Errorf("a credential reached %s", c.Host)
		}
	}
	return nil
}

func redirected(ctx context.Context, h Harness) error {
	h.Wire.Arm(Redirect)
	_, err := h.step(ctx)
	if err := want(err, finding.ForeignLink); err != nil {
		return err
	}
	return h.nothingLeft()
}

func foreignLink(ctx context.Context, h Harness) error {
	if h.Wire.style.ForeignNext == nil {
		return Skipped("the vendor's answers hold no links to follow")
	}
	h.Wire.Arm(ForeignNext)
	_, err := h.Tenant.List(ctx)
	if err := want(err, finding.ForeignLink); err != nil {
		return err
	}
	return h.nothingLeft()
}

// beforeWrite is a hook that acts once, directly before the first write.
func (h Harness) beforeWrite(act func()) idp.Hooks {
	return idp.Hooks{Writing: func(context.Context) error {
		if h.writes() == 0 {
			act()
		}
		return nil
	}}
}

// stepOnFault runs a step whose first write meets a fault.
func (h Harness) stepOnFault(ctx context.Context, f Fault) error {
	_, err := idp.Step(ctx, h.Tenant, h.Codec, h.App, h.target(), h.beforeWrite(func() { h.Wire.Arm(f) }))
	return err
}

// throttled runs the step with the limit hitting the read, then the write.
func throttled(ctx context.Context, h Harness) error {
	h.Wire.Arm(Throttled)
	begun := time.Now()
	if err := h.stepOnFault(ctx, Throttled); err != nil {
		return err
	}
	if took := time.Since(begun); took < 2*ThrottledFor {
		return fmt.Errorf("took %v, so a rate limit of twice %v was not waited out", took, ThrottledFor)
	}
	return h.at(h.To)
}

func serverError(ctx context.Context, h Harness) error {
	h.Wire.Arm(ServerError, ServerError)
	if err := h.stepOnFault(ctx, ServerError); err != nil {
		return err
	}
	return h.at(h.To)
}

func lateFault(ctx context.Context, h Harness) error {
	if err := h.stepOnFault(ctx, LateError); err != nil {
		return err
	}
	return h.movedByOneWrite()
}

// silentFor is how long a step may take when one write gets no answer.
const silentFor = time.Minute

func silentWrite(ctx context.Context, h Harness) error {
	ctx, cancel := context.WithTimeout(ctx, silentFor)
	defer cancel()
	if err := h.stepOnFault(ctx, LateSilent); err != nil {
		return fmt.Errorf("a write that took effect: %w", err)
	}
	if err := h.movedByOneWrite(); err != nil {
		return fmt.Errorf("a write that took effect: %w", err)
	}
	h.Wire.Forget()
	back := signin.Target{From: h.To, To: h.From}
	if _, err := idp.Step(ctx, h.Tenant, h.Codec, h.App, back, h.beforeWrite(func() { h.Wire.Arm(Silent) })); err != nil {
		return fmt.Errorf("a write that did not: %w", err)
	}
	return h.at(h.From)
}

// tokenExpiry ends the token before the read, and again before the write.
func tokenExpiry(ctx context.Context, h Harness) error {
	if h.ExpireToken == nil {
		return Skipped("the credential does not expire")
	}
	h.ExpireToken()
	hooks := idp.Hooks{Writing: func(context.Context) error {
		h.ExpireToken()
		return nil
	}}
	if _, err := idp.Step(ctx, h.Tenant, h.Codec, h.App, h.target(), hooks); err != nil {
		return err
	}
	return h.at(h.To)
}

func readOnly(ctx context.Context, h Harness) error {
	if h.SetReadOnly == nil {
		return Skipped("the vendor has no read-only mode")
	}
	h.SetReadOnly(true)
	before := h.snapshot()
	_, err := h.step(ctx)
	if err := want(err, finding.IdPReadOnly); err != nil {
		return err
	}
	if err := same("the app", before, h.snapshot(), nil); err != nil {
		return err
	}
	h.SetReadOnly(false)
	if _, err := h.step(ctx); err != nil {
		return err
	}
	return h.at(h.To)
}

// rightsEnded takes the rights away before the write, then before the read.
func rightsEnded(ctx context.Context, h Harness) error {
	if h.SetRights == nil {
		return Skipped("the vendor knows no rights")
	}
	before := h.snapshot()
	_, err := idp.Step(ctx, h.Tenant, h.Codec, h.App, h.target(), h.beforeWrite(func() { h.SetRights(false) }))
	if err := namesRights(err); err != nil {
		return fmt.Errorf("before the write: %w", err)
	}
	_, err = h.step(ctx)
	if err := namesRights(err); err != nil {
		return fmt.Errorf("before the read: %w", err)
	}
	return same("the app", before, h.snapshot(), nil)
}

// namesRights says whether an error names the rights, or the credential without
// them, as at least one of its causes: the app may not be readable any more
// either.
func namesRights(err error) error {
	switch {
	case err == nil:
		return errors.New("no error")
	case strings.Contains(err.Error(), string(finding.IdPPermission)), strings.Contains(err.Error(), string(finding.IdPAuth)):
		return nil
	}
	return fmt.Errorf("neither rights nor credential are named: %w", err)
}

// htmlPage answers the read, and then the write, with a page.
func htmlPage(ctx context.Context, h Harness) error {
	before := h.snapshot()
	for _, f := range []Fault{HTML, HTMLAsJSON} {
		h.Wire.Arm(f)
		_, err := h.step(ctx)
		if err := want(err, finding.IdPAnswer); err != nil {
			return fmt.Errorf("%s for the app: %w", f, err)
		}
		if err := want(h.stepOnFault(ctx, f), finding.NotVisible); err != nil {
			return fmt.Errorf("%s for the write: %w", f, err)
		}
		h.Wire.Forget()
	}
	return same("the app", before, h.snapshot(), nil)
}

func wrongType(ctx context.Context, h Harness) error {
	h.Wire.Arm(WrongType)
	_, err := h.step(ctx)
	return want(err, finding.IdPAnswer)
}

func tooLarge(ctx context.Context, h Harness) error {
	h.Wire.Arm(TooLarge)
	_, err := h.step(ctx)
	if err := want(err, finding.TooLarge); err != nil {
		return err
	}
	if n := h.Wire.Poured(); n > poursAtMost {
		return fmt.Errorf("%d bytes of the answer were read", n)
	}
	return nil
}

func gzipBomb(ctx context.Context, h Harness) error {
	h.Wire.Arm(GzipBomb)
	_, err := h.step(ctx)
	return want(err, finding.TooLarge)
}

func tooDeep(ctx context.Context, h Harness) error {
	h.Wire.Arm(TooDeep)
	_, err := h.step(ctx)
	return want(err, finding.TooDeep)
}
