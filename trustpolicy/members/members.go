package members

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
)

// Keeper keeps what was read of a federation's organization; inventory.Keeper is
// one. What was never kept is an error that wraps fs.ErrNotExist.
type Keeper interface {
	LoadOrganization(federation string) (inventory.Organization, error)
	SaveOrganization(inventory.Organization) error
}

// Options make a Source. Open may be nil where the federation has no
// organization.
type Options struct {
	Federation federation.Federation
	Open       func(context.Context) (Client, error) // AWS Organizations
	Keeper     Keeper
	Log        *slog.Logger // nil: nothing is logged
}

// Source says which accounts a federation has. Safe for concurrent use.
type Source struct{ o Options }

// New returns a federation's source; it asks nobody.
func New(o Options) *Source {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Federation.Accounts = slices.DeleteFunc(slices.Clone(o.Federation.Accounts), func(a federation.Account) bool { return a.Found })
	return &Source{o}
}

// Members are a federation's accounts: those that are listed, then those of the
// organization in the order of their ids. ReadAt is when the organization was
// read, zero if it never was or is not asked. Notes say what a person should
// know: accounts left out, and an organization that could not be read.
type Members struct {
	Accounts []federation.Account
	ReadAt   time.Time
	Notes    []finding.Finding
}

// Read asks AWS Organizations and keeps the answer. When it does not answer, or
// refuses, what was kept counts and a note says how old that is. Without an
// organization it asks nobody.
func (s *Source) Read(ctx context.Context) Members {
	f := s.o.Federation
	if !f.Organization.Used() {
		return Members{Accounts: f.Accounts}
	}
	org, err := s.read(ctx)
	if err != nil {
		out := s.Kept()
		out.Notes = append([]finding.Finding{s.unread(err, out.ReadAt)}, out.Notes...)
		return out
	}
	if err := s.o.Keeper.SaveOrganization(org); err != nil {
		s.o.Log.Warn("the organization as read cannot be kept; while AWS Organizations is silent its accounts will not be known", "federation", f.Name, "error", err)
	}
	return choose(f, org)
}

func (s *Source) read(ctx context.Context) (inventory.Organization, error) {
	api, err := s.o.Open(ctx)
	if err != nil {
		return inventory.Organization{}, err
	}
	out, err := read(ctx, api, s.o.Federation.Organization)
	out.Federation = s.o.Federation.Name
	return out, err
}

// Kept is what is known without asking anybody: for everything but a scan.
func (s *Source) Kept() Members {
	f := s.o.Federation
	if !f.Organization.Used() {
		return Members{Accounts: f.Accounts}
	}
	org, err := s.o.Keeper.LoadOrganization(f.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Members{Accounts: f.Accounts}
	case err != nil:
		s.o.Log.Warn("the organization as last read cannot be loaded", "federation", f.Name, "error", err)
		return Members{Accounts: f.Accounts}
	case org.Selection != f.Organization.Selection():
		return Members{Accounts: f.Accounts} // another choice than the config's of now
	}
	return choose(f, org)
}

// unread says that the organization could not be read, and what counts instead.
func (s *Source) unread(err error, kept time.Time) finding.Finding {
	out := finding.Finding{Code: finding.OrganizationUnread, Subject: "organization of federation " + s.o.Federation.Name,
		What: "AWS Organizations could not be asked for the federation's accounts", Why: err.Error(), Remedy: remedy(err)}
	if kept.IsZero() {
		out.What += ", and nothing is known from before: only the listed ones count"
		return out
	}
	out.What += fmt.Sprintf("; those of %s ago count", time.Since(kept).Round(time.Second))
	out.Evidence = map[string]string{"read_at": kept.UTC().Format(time.RFC3339)}
	return out
}

// choose picks a federation's accounts out of its organization.
func choose(f federation.Federation, org inventory.Organization) Members {
	out := Members{Accounts: slices.Clone(f.Accounts), ReadAt: org.TakenAt}
	var left []string
	for _, a := range org.Accounts {
		listed := slices.ContainsFunc(f.Accounts, func(have federation.Account) bool { return have.ID == a.ID })
		switch {
		case listed || slices.Contains(f.Organization.Exclude, a.ID):
		case a.ID == org.Management:
			out.Notes = append(out.Notes, finding.Finding{Code: finding.AccountLeftOut, Subject: "account " + a.ID,
				What: "the organization's management account is not looked at", Why: "it belongs to a federation only if it is named, since StackSets and service control policies pass it over",
				Remedy: "list it under accounts if people sign in there, or name it under organization.exclude"})
		case a.State != active:
			left = append(left, fmt.Sprintf("%s (%s)", federation.Account{ID: a.ID, Name: a.Name}, strings.ToLower(a.State)))
		default:
			out.Accounts = append(out.Accounts, f.Organization.Account(a.ID, a.Name))
		}
	}
	if len(left) > 0 {
		out.Notes = append(out.Notes, finding.Finding{Code: finding.AccountLeftOut, Subject: "organization " + org.ID,
			What: "accounts of the organization that are not active are not looked at", Why: strings.Join(left, ", "),
			Remedy: "nothing to do, if that is meant: nobody signs in to an account that is not active"})
	}
	return out
}
