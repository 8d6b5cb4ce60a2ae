package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// Discover reads the apps of every tenant and the accounts of the config and of
// extra, and says what belongs together. An account of extra that is configured
// as well is read through the ScanRole that extra gives, if any. It changes
// nothing.
func Discover(ctx context.Context, s Setup, extra []federation.Account, progress func(fleet.Progress)) (control.Discovered, error) {
	secrets, network, err := s.open()
	if err != nil {
		return control.Discovered{}, err
	}
	defer network.Close()
	tenants, err := vendors(s.Config, secrets, network, s.Log)
	if err != nil {
		return control.Discovered{}, err
	}
	feds := withKept(s.Config.Federations(), inventory.Keeper{Dir: inventoryDir(s.Config.Store.Dir)}, s.Log)
	d := control.Discovery{Accounts: accounts(feds, extra), Federations: feds, Progress: inTurn(progress)}
	for _, t := range s.Config.Tenants {
		d.Tenants = append(d.Tenants, control.DiscoveryTenant{Name: t.Name, Tenant: tenants[t.Name].Tenant, Codec: tenants[t.Name].Codec})
	}
	if len(d.Accounts) > 0 {
		base, err := accessIn(s, secrets, network, surveyRegions(s.Config, d.Accounts))
		if err != nil {
			return control.Discovered{}, err
		}
		d.Survey = surveyor(s, base, d.Progress)
	}
	return d.Run(ctx)
}

func surveyor(s Setup, base *awsaccess.Access, progress func(fleet.Progress)) func(context.Context, []federation.Account) ([]inventory.AccountScan, error) {
	return func(ctx context.Context, accounts []federation.Account) ([]inventory.AccountScan, error) {
		return fleet.Survey(ctx, fleet.Options{Federation: federation.Federation{Accounts: accounts}, Open: opener(base), Pace: float64(s.Config.AWS.IAMPace), Log: s.Log, Progress: progress})
	}
}

// inTurn lets several goroutines report progress, one at a time.
func inTurn(progress func(fleet.Progress)) func(fleet.Progress) {
	if progress == nil {
		return nil
	}
	var mu sync.Mutex
	return func(p fleet.Progress) {
		mu.Lock()
		defer mu.Unlock()
		progress(p)
	}
}

// accounts returns every account once: those of the federations, then the others.
func accounts(fs []federation.Federation, extra []federation.Account) []federation.Account {
	var out []federation.Account
	find := func(id string) int {
		return slices.IndexFunc(out, func(a federation.Account) bool { return a.ID == id })
	}
	for _, f := range fs {
		for _, a := range f.Accounts {
			a.Providers = slices.Clone(a.Providers)
			if i := find(a.ID); i >= 0 {
				out[i].Providers = append(out[i].Providers, a.Providers...)
				continue
			}
			out = append(out, a)
		}
	}
	for _, a := range extra {
		i := find(a.ID)
		if i < 0 {
			out = append(out, a)
		} else if a.ScanRole != "" {
			out[i].ScanRole = a.ScanRole
		}
	}
	return out
}

// surveyRegions is where STS is asked: as for everything else, and without any
// Region in the config in those of the accounts' partition that need no opt-in,
// the last first, since us-east-1 and its like are what is expected to break.
func surveyRegions(c *config.Config, accounts []federation.Account) []string {
	if out := stsRegions(c); len(out) > 0 {
		return out
	}
	partition := signin.AWS
	for _, a := range accounts {
		if _, p, _, _, err := federation.ParseRoleARN(a.ScanRole); err == nil {
			partition = p
		}
	}
	var out []string
	for _, r := range signin.Regions(partition, false) {
		out = append(out, r.String())
	}
	slices.Reverse(out)
	return out[:min(3, len(out))]
}

// NewConfigFile refuses a path at which something is already: what a person has
// written is never replaced.
func NewConfigFile(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return fmt.Errorf("write the new config: %s is there already and is not replaced; name another file", path)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("write the new config: %w", err)
	}
	return nil
}

// WriteConfig composes a config of the present one and the federations that were
// found, and writes it to a new file for the owner alone. A federation that no
// config could hold is left out; its name and reason are returned.
func WriteConfig(c *config.Config, path string, found control.Discovered) (left []string, err error) {
	var drafts []config.Draft
	for _, d := range found.Federations {
		if len(d.Federation.Regions) < 2 {
			left = append(left, d.Federation.Name+": "+strings.Join(d.Notes, "; "))
			continue
		}
		drafts = append(drafts, config.Draft{Base: d.Base, Federation: d.Federation, Notes: d.Notes})
	}
	if len(drafts) == 0 {
		return left, errors.New("no config was written: no app was found that an account's SAML provider trusts; name the accounts with --account")
	}
	text, err := c.Compose(path, drafts)
	if err != nil {
		return left, err
	}
	return left, writeNew(path, text)
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the new config: %w", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the new config %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}
