package discover

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/signin"
)

// drafts writes down the federations that follow: each configured one with what
// else leads to its accounts, and one per partition and Region for the rest.
// Only apps with a known endpoint come in, since a federation is about
// endpoints.
func (j *joiner) drafts() {
	d := &drafter{joiner: j, owner: map[string]int{}, home: map[int]string{}}
	for _, f := range j.in.Federations {
		d.configured(f)
	}
	for _, a := range j.out.Apps {
		if a.Federation != "" {
			d.take(a.Federation, a)
		}
	}
	for i, a := range j.out.Apps {
		if a.Federation == "" && len(a.Providers) > 0 && !a.ACS.IsZero() {
			d.place(i)
		}
	}
	for i, a := range j.out.Apps {
		if at, ok := d.home[i]; ok {
			d.take(at, a)
		}
	}
	for i := range d.out {
		d.finish(&d.out[i])
	}
	j.out.Federations = append(j.out.Federations, d.out...)
}

// drafter gathers the drafts. Use once.
type drafter struct {
	*joiner
	out   []Draft
	owner map[string]int // provider ARN -> draft: it belongs to exactly one (spec 2.11)
	home  map[int]string // app -> name of its draft, for apps that no config names
}

// configured begins a draft with a federation of the config, whole: what could
// not be read today is not lost.
func (d *drafter) configured(f federation.Federation) {
	f.Policy.Mode = federation.Observe
	f.Regions, f.Apps = slices.Clone(f.Regions), slices.Clone(f.Apps)
	accounts := slices.Clone(f.Accounts)
	for i := range accounts {
		accounts[i].Providers = slices.Clone(accounts[i].Providers)
		for _, arn := range accounts[i].Providers {
			d.owner[arn] = len(d.out)
		}
	}
	f.Accounts = accounts
	d.out = append(d.out, Draft{Base: f.Name, Federation: f})
}

// place chooses the draft of an app that no config names: that of an app beside
// it in an account, else a new one for its partition and Region.
func (d *drafter) place(i int) {
	a := d.joiner.out.Apps[i]
	for k, b := range d.joiner.out.Apps {
		name := b.Federation
		if name == "" {
			name = d.home[k]
		}
		if k != i && name != "" && !b.ACS.IsZero() && b.Region.Partition() == a.Region.Partition() && meet(a, b) {
			d.home[i] = name
			return
		}
	}
	base := string(a.Region.Partition()) + "-" + a.Region.String()
	name := base
	for n := 2; slices.ContainsFunc(d.in.Federations, func(f federation.Federation) bool { return strings.EqualFold(f.Name, name) }); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	d.home[i] = name
	if !slices.ContainsFunc(d.out, func(x Draft) bool { return x.Federation.Name == name }) {
		d.out = append(d.out, Draft{Federation: federation.Federation{Name: name, Partition: a.Region.Partition(), Policy: federation.Policy{Mode: federation.Observe}}})
	}
}

// take puts an app and its providers into a draft.
func (d *drafter) take(name string, a FoundApp) {
	at := slices.IndexFunc(d.out, func(x Draft) bool { return x.Federation.Name == name })
	f := &d.out[at].Federation
	added := func(format string, args ...any) {
		if d.out[at].Base != "" {
			d.out[at].Notes = append(d.out[at].Notes, fmt.Sprintf(format, args...))
		}
	}
	if !slices.ContainsFunc(f.Members(), func(have federation.AppRef) bool { return have.String() == a.Ref().String() }) {
		f.Apps = append(f.Apps, named(f.Apps, a.Ref()))
		added("the app %q (%q) is added: it leads to an account of this federation", a.Label, a.Ref())
	}
	if !a.Region.IsZero() && a.Region.Partition() == f.Partition && !f.Allows(a.Region) {
		f.Regions = append(f.Regions, a.Region)
		added("the Region %s is added, because the app %q (%q) is there; take it out if nobody may sign in there", a.Region, a.Label, a.Ref())
	}
	for _, l := range a.Providers {
		if _, taken := d.owner[l.Provider]; taken {
			continue
		}
		d.owner[l.Provider] = at
		f.Accounts = withProvider(f.Accounts, d.account(l.Account), l.Provider)
	}
}

// named gives an app a name that no other one has: its label, else its id.
func named(have []federation.AppRef, ref federation.AppRef) federation.AppRef {
	for _, a := range have {
		if strings.EqualFold(a.Name, ref.Name) || strings.EqualFold(a.ID, ref.Name) {
			ref.Name = ""
		}
	}
	return ref
}

// account returns the account as it was looked at, without providers.
func (d *drafter) account(id string) federation.Account {
	for _, a := range d.in.Accounts {
		if a.ID == id {
			a.Providers = nil
			return a
		}
	}
	return federation.Account{ID: id}
}

func withProvider(accounts []federation.Account, a federation.Account, arn string) []federation.Account {
	at := slices.IndexFunc(accounts, func(have federation.Account) bool { return have.ID == a.ID })
	if at < 0 {
		at, accounts = len(accounts), append(accounts, a)
	}
	accounts[at].Providers = append(accounts[at].Providers, arn)
	return accounts
}

// finish orders the Regions of a new draft, the one of most apps first, and adds
// a standby where there is only one.
func (d *drafter) finish(x *Draft) {
	f := &x.Federation
	if x.Base == "" {
		count := map[signin.Region]int{}
		for _, a := range d.joiner.out.Apps {
			if slices.ContainsFunc(f.Apps, func(ref federation.AppRef) bool { return ref.String() == a.Ref().String() }) {
				count[a.Region]++
			}
		}
		slices.SortStableFunc(f.Regions, func(a, b signin.Region) int { return count[b] - count[a] })
		x.Notes = append(x.Notes, fmt.Sprintf("home is %s, where %d of its %d apps are now", f.Home(), count[f.Home()], len(f.Apps)))
	}
	if len(f.Regions) == 1 {
		if standby, why := d.standby(*f); !standby.IsZero() {
			f.Regions = append(f.Regions, standby)
			x.Notes = append(x.Notes, why)
		}
	}
	if len(f.Regions) < 2 {
		x.Notes = append(x.Notes, "its partition has no second Region to move to")
	}
}
