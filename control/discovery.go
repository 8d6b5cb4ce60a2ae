package control

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/discover"
	"github.com/samlfailover/samlfailover/inventory"
)

// asked is how many apps of one tenant are asked about at once; the tenant's own
// pace holds besides.
const asked = 4

// Discovery is the use case of finding out which apps, accounts and roles belong
// together. It only reads, needs no running controller, and records nothing.
type Discovery struct {
	Tenants     []DiscoveryTenant
	Accounts    []federation.Account    // to look at
	Federations []federation.Federation // of the config in force
	// Survey reads the accounts; it is not called without any.
	Survey   func(context.Context, []federation.Account) ([]inventory.AccountScan, error)
	Progress func(TrustProgress) // one call at a time; nil: no progress
}

// DiscoveryTenant is one tenant to look at.
type DiscoveryTenant struct {
	Name   string
	Tenant idp.Tenant
	Codec  idp.Codec
}

// Run reads every tenant and every account, at the same time, and joins what
// they say. What cannot be read is in the report and hides nothing else; the
// error is one of the run as a whole.
func (d Discovery) Run(ctx context.Context) (Discovered, error) {
	in := discover.Input{Tenants: make([]discover.Tenant, len(d.Tenants)), Accounts: d.Accounts, Federations: d.Federations}
	var mu sync.Mutex // guards done
	done := 0
	g, inner := errgroup.WithContext(ctx)
	for i, t := range d.Tenants {
		g.Go(func() error {
			in.Tenants[i] = read(inner, t)
			mu.Lock()
			defer mu.Unlock()
			done++
			if d.Progress != nil {
				d.Progress(TrustProgress{Stage: "tenants", Done: done, Total: len(d.Tenants), Text: fmt.Sprintf("%s: %d apps for AWS", t.Name, len(in.Tenants[i].Apps))})
			}
			return nil
		})
	}
	if len(d.Accounts) > 0 {
		g.Go(func() (err error) {
			in.Scans, err = d.Survey(inner, d.Accounts)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Discovered{}, err
	}
	if err := ctx.Err(); err != nil {
		return Discovered{}, fmt.Errorf("the search was interrupted: %w", err)
	}
	return discover.Join(in), nil
}

// read lists one tenant's apps and asks each who it is.
func read(ctx context.Context, t DiscoveryTenant) discover.Tenant {
	out := discover.Tenant{Name: t.Name}
	docs, err := t.Tenant.List(ctx)
	if err != nil {
		f := trouble(err, finding.Finding{Code: finding.IdPUnreachable, What: "the tenant's apps could not be listed",
			Remedy: "check the tenant's credential and its rights; see: samlfailover check"})
		f.Subject = "tenant " + t.Name
		out.Trouble = &f
		return out
	}
	out.Apps = make([]discover.App, len(docs))
	var g errgroup.Group
	g.SetLimit(asked)
	for i, doc := range docs {
		g.Go(func() error {
			out.Apps[i] = describe(ctx, t, doc)
			return nil
		})
	}
	_ = g.Wait() // describe never fails: what went wrong is in its result
	return out
}

// describe is one app with its identity, where it can have one: an app that does
// not sign in with SAML has none, and some tenants cannot say.
func describe(ctx context.Context, t DiscoveryTenant, doc idp.Document) discover.App {
	out := discover.App{App: t.Codec.Describe(doc)}
	who, able := t.Tenant.(idp.Identified)
	noSAML := slices.ContainsFunc(out.Findings, func(f finding.Finding) bool { return f.Code == finding.NotSAML })
	if !able || noSAML {
		return out
	}
	var err error
	if out.Identity, err = who.Identity(ctx, doc); err != nil {
		f := trouble(err, idp.IdentityFinding(doc.ID, "", "look at the app in its IdP"))
		f.Subject = out.Subject()
		if out.ACS.IsZero() { // it can lead nowhere that we know, so nothing is missing
			out.Findings = append(out.Findings, f)
			return out
		}
		out.Trouble = &f
	}
	return out
}

// trouble is the finding in an error, or otherwise with the error as its reason.
func trouble(err error, otherwise finding.Finding) finding.Finding {
	if f, ok := finding.From(err); ok {
		return f
	}
	otherwise.Why = err.Error()
	return otherwise
}
