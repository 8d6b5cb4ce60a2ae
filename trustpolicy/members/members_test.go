package members_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
	"github.com/samlfailover/samlfailover/trustpolicy/members"
)

// place is a sandbox with a client of its Organizations.
type place struct {
	*sandbox.World
	keeper inventory.Keeper
	client *organizations.Client
}

func newPlace(t *testing.T) *place {
	t.Helper()
	w, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return &place{World: w, keeper: inventory.Keeper{Dir: t.TempDir()}, client: clientOf(w)}
}

// clientOf has the rights of the world's organization reader.
func clientOf(w *sandbox.World) *organizations.Client {
	boss, _ := w.Cloud().Account(signin.AWS, w.Demo().Organization.Management)
	boss.AddAccessKey("reader", "AKIAREADER", "secret", []string{"organizations:*"})
	return organizations.NewFromConfig(aws.Config{Region: "us-east-1", HTTPClient: &http.Client{Transport: w.RoundTripper()},
		Credentials: credentials.NewStaticCredentialsProvider("AKIAREADER", "secret", "")})
}

func (p *place) org() *world.Organization {
	d := p.Demo()
	o, _ := p.Cloud().OrganizationOf(signin.AWS, d.Organization.Management)
	return o
}

func (p *place) source(o federation.Organization, listed ...federation.Account) *members.Source {
	o.Providers = []string{"arn:aws:iam::{account}:saml-provider/Okta"}
	return members.New(members.Options{Federation: federation.Federation{Name: "corp", Accounts: listed, Organization: o}, Keeper: p.keeper,
		Open: func(context.Context) (members.Client, error) { return p.client, nil }})
}

// ids are the accounts, the listed ones in brackets.
func ids(m members.Members) string {
	var out []string
	for _, a := range m.Accounts {
		if a.Found {
			out = append(out, a.ID)
			continue
		}
		out = append(out, "["+a.ID+"]")
	}
	return strings.Join(out, " ")
}

func codes(m members.Members) string {
	var out []string
	for _, n := range m.Notes {
		out = append(out, string(n.Code))
	}
	return strings.Join(out, " ")
}

// Which accounts each way of choosing gives in the demo's organization.
// spec 5.6
func TestChoices(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	units := p.Demo().Organization.Units
	const (
		shop     = "222233334444" // in Stores, below Production
		shopTest = "222233335555"
		others   = "111122223333 333344445555 333344446666" // in Production itself
		infra    = "444455556666"
		ours     = "777788889999" // the controller's own: in Infrastructure, without the tag
		boss     = "666677778888"
	)
	both := strings.Join([]string{string(finding.AccountLeftOut), string(finding.AccountLeftOut)}, " ")
	one := string(finding.AccountLeftOut)
	for _, c := range []struct {
		name   string
		o      federation.Organization
		listed []federation.Account
		want   string
		notes  string
		why    string
	}{
		{"all", federation.Organization{All: true}, nil, "111122223333 " + shop + " " + shopTest + " 333344445555 333344446666 " + infra + " " + ours, both, "management and suspended account are told, not taken"},
		{"all but two", federation.Organization{All: true, Exclude: []string{ours, boss}}, nil, "111122223333 " + shop + " " + shopTest + " 333344445555 333344446666 " + infra, one, "what is excluded is not told"},
		{"a unit and those below", federation.Organization{OUs: []string{units[seed.UnitProduction]}}, nil, "111122223333 " + shop + " 333344445555 333344446666", one, "Stores is below Production"},
		{"a unit at the bottom", federation.Organization{OUs: []string{units[seed.UnitStores]}}, nil, shop, one, "nothing above it"},
		{"units that overlap", federation.Organization{OUs: []string{units[seed.UnitStores], units[seed.UnitProduction], units[seed.UnitTest]}}, nil, "111122223333 " + shop + " " + shopTest + " 333344445555 333344446666", one, "each account once"},
		{"the root", federation.Organization{OUs: []string{p.Demo().Organization.Root}, Exclude: []string{ours}}, nil, "111122223333 " + shop + " " + shopTest + " 333344445555 333344446666 " + infra, both, "a root is a unit as well"},
		{"a tag with its value", federation.Organization{Tags: []string{seed.MemberTag + "=" + seed.MemberTagValue}}, nil, "111122223333 " + shop + " " + shopTest + " 333344445555 333344446666 " + infra, one, "the controller's account lacks it"},
		{"a tag with another value", federation.Organization{Tags: []string{seed.MemberTag + "=others"}}, nil, "", "", "values count"},
		{"one of two tags", federation.Organization{Tags: []string{"none", "team"}}, nil, "111122223333 " + shop + " " + shopTest + " 333344445555 333344446666 " + infra + " " + ours, "", "any of them is enough"},
		{"half a key", federation.Organization{Tags: []string{"sign"}}, nil, "", "", "exactly as written"},
		{"listed as well", federation.Organization{OUs: []string{units[seed.UnitStores]}}, []federation.Account{{ID: shop}, {ID: boss}}, "[" + shop + "] [" + boss + "]", one, "the list wins"},
		{"the management account by name", federation.Organization{All: true, Exclude: []string{ours}}, []federation.Account{{ID: boss}},
			"[" + boss + "] 111122223333 " + shop + " " + shopTest + " 333344445555 333344446666 " + infra, one, "named explicitly"},
		{"no organization", federation.Organization{}, []federation.Account{{ID: shop}}, "[" + shop + "]", "", "nobody is asked"},
	} {
		before := p.Requests().Last()
		m := p.source(c.o, c.listed...).Read(t.Context())
		if ids(m) != c.want || codes(m) != c.notes {
			t.Errorf("%s: %s (%s), want %s (%s): %s", c.name, ids(m), codes(m), c.want, c.notes, c.why)
		}
		if asked := p.Requests().Last() != before; asked != c.o.Used() {
			t.Errorf("%s: asked %t", c.name, asked)
		}
	}
	for _, a := range p.source(federation.Organization{All: true}).Read(t.Context()).Accounts {
		if a.Providers[0] != "arn:aws:iam::"+a.ID+":saml-provider/Okta" || a.Name == "" {
			t.Errorf("%+v", a)
		}
	}
}

// 61 accounts in a unit take four pages of 20; empty pages in between lose none.
func TestPages(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	unit := p.org().AddUnit(p.org().Root(), "Many")
	for i := range 61 {
		p.org().AddMember(world.Member{ID: fmt.Sprintf("5000000000%02d", i), Name: "m", Parent: unit})
	}
	for _, empty := range []bool{false, true} {
		p.org().SetEmptyPages(empty)
		before := p.Requests().Last()
		m := p.source(federation.Organization{OUs: []string{unit}}).Read(t.Context())
		pages := p.Requests().Count(before, func(e reqlog.Entry) bool { return strings.HasSuffix(e.Note, ".ListAccountsForParent") })
		if want := map[bool]int{false: 4, true: 8}[empty]; len(m.Accounts) != 61 || pages != want {
			t.Errorf("empty pages %t: %d accounts in %d pages, want %d", empty, len(m.Accounts), pages, want)
		}
	}
}

// While Organizations does not answer, or refuses, what was read counts with its
// age; the config of now decides what of it. Nothing but Read asks.
// spec 9.2
func TestKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		all := federation.Organization{All: true}
		if m := p.source(all).Kept(); len(m.Accounts) != 0 || !m.ReadAt.IsZero() {
			t.Errorf("before anything was read: %+v", m)
		}
		want := ids(p.source(all).Read(t.Context()))
		time.Sleep(90 * time.Minute)
		for _, c := range []struct {
			kind  fault.Kind
			most  time.Duration
			least time.Duration
		}{{fault.Down, 0, 0}, {fault.Blackhole, 6 * time.Second, 6 * time.Second}, {fault.ServerError, 0, 0}, {fault.Stall, 6 * time.Second, 6 * time.Second}, {fault.DNS, 0, 0}} {
			if _, err := p.Fault(fault.Fault{Target: "us-east-1", Effect: fault.Effect{Kind: c.kind}}); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			m := p.source(all).Read(t.Context())
			if took := time.Since(begin); took > c.most || took < c.least {
				t.Errorf("%s: told after %s", c.kind, took)
			}
			if ids(m) != want || len(m.Notes) == 0 || m.Notes[0].Code != finding.OrganizationUnread || !strings.Contains(m.Notes[0].What, "1h30m") || m.Notes[0].Remedy == "" {
				t.Errorf("%s: %s %+v", c.kind, ids(m), m.Notes)
			}
			if _, err := p.Heal(""); err != nil {
				t.Fatal(err)
			}
		}
		before := p.Requests().Last()
		if m := p.source(all).Kept(); ids(m) != want || p.Requests().Last() != before {
			t.Errorf("kept: %s", ids(m))
		}
		if m := p.source(federation.Organization{All: true, Exclude: []string{"111122223333"}}).Kept(); strings.Contains(ids(m), "111122223333") || len(m.Accounts) == 0 {
			t.Errorf("excluded since: %s", ids(m))
		}
		if m := p.source(federation.Organization{Tags: []string{"team"}}).Kept(); len(m.Accounts) != 0 {
			t.Errorf("of another choice: %s", ids(m))
		}
		again := p.source(all)
		if m := again.Read(t.Context()); m.ReadAt.Before(time.Now().Add(-time.Minute)) || ids(m) != want || ids(again.Kept()) != want {
			t.Errorf("after the outage: %+v", m)
		}
	})
}

// fakeAPI lies in one way.
type fakeAPI struct {
	*organizations.Client
	describe func() (*organizations.DescribeOrganizationOutput, error)
	accounts func(*organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error)
	tags     func(id string) (*organizations.ListTagsForResourceOutput, error)
}

func (f fakeAPI) DescribeOrganization(context.Context, *organizations.DescribeOrganizationInput, ...func(*organizations.Options)) (*organizations.DescribeOrganizationOutput, error) {
	if f.describe != nil {
		return f.describe()
	}
	return &organizations.DescribeOrganizationOutput{Organization: &types.Organization{Id: aws.String("o-1"), MasterAccountId: aws.String("100000000000")}}, nil
}

func (f fakeAPI) ListAccounts(_ context.Context, in *organizations.ListAccountsInput, _ ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error) {
	if f.accounts != nil {
		return f.accounts(in)
	}
	return &organizations.ListAccountsOutput{Accounts: []types.Account{{Id: aws.String("200000000000"), Status: types.AccountStatusActive}, {Id: aws.String("300000000000"), State: types.AccountStateClosed}}}, nil
}

func (f fakeAPI) ListTagsForResource(_ context.Context, in *organizations.ListTagsForResourceInput, _ ...func(*organizations.Options)) (*organizations.ListTagsForResourceOutput, error) {
	return f.tags(*in.ResourceId)
}

// An answer that cannot be the whole truth counts as none: what was kept stays.
// Saboteurs: an Organizations that gives the same page for ever, hides its
// management account, or the tags of one account.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	denied := &types.AccessDeniedException{Message: aws.String("no")}
	for _, c := range []struct {
		name string
		api  fakeAPI
		o    federation.Organization
		says string // "" = it is taken
		next string // of the remedy
	}{
		{"State is called Status", fakeAPI{}, federation.Organization{All: true}, "", ""},
		{"the same page for ever", fakeAPI{accounts: func(*organizations.ListAccountsInput) (*organizations.ListAccountsOutput, error) {
			return &organizations.ListAccountsOutput{NextToken: aws.String("again")}, nil
		}}, federation.Organization{All: true}, "no new token", "trust scan"},
		{"no management account", fakeAPI{describe: func() (*organizations.DescribeOrganizationOutput, error) {
			return &organizations.DescribeOrganizationOutput{Organization: &types.Organization{}}, nil
		}}, federation.Organization{All: true}, "management account", "trust scan"},
		{"not allowed", fakeAPI{describe: func() (*organizations.DescribeOrganizationOutput, error) { return nil, denied }}, federation.Organization{All: true}, "AccessDenied", "organizations:DescribeOrganization"},
		{"the tags of one account are hidden", fakeAPI{tags: func(id string) (*organizations.ListTagsForResourceOutput, error) {
			if id == "200000000000" {
				return nil, denied
			}
			return &organizations.ListTagsForResourceOutput{}, nil
		}}, federation.Organization{Tags: []string{"k"}}, "tags of account 200000000000", "ListTagsForResource"},
	} {
		k := inventory.Keeper{Dir: t.TempDir()}
		if err := k.SaveOrganization(inventory.Organization{Federation: "corp", TakenAt: time.Now().Add(-time.Hour), Selection: c.o.Selection(), Accounts: []inventory.OrganizationAccount{{ID: "900000000000", State: "ACTIVE"}}}); err != nil {
			t.Fatal(err)
		}
		s := members.New(members.Options{Federation: federation.Federation{Name: "corp", Organization: c.o}, Keeper: k,
			Open: func(context.Context) (members.Client, error) { return c.api, nil }})
		m := s.Read(t.Context())
		if c.says == "" {
			if ids(m) != "200000000000" {
				t.Errorf("%s: %s", c.name, ids(m))
			}
			continue
		}
		if ids(m) != "900000000000" || m.Notes[0].Code != finding.OrganizationUnread || !strings.Contains(m.Notes[0].Why, c.says) || !strings.Contains(m.Notes[0].Remedy, c.next) {
			t.Errorf("%s: %s %+v", c.name, ids(m), m.Notes)
		}
	}
	broken := members.New(members.Options{Federation: federation.Federation{Name: "corp", Organization: federation.Organization{All: true}, Accounts: []federation.Account{{ID: "1"}}},
		Keeper: badKeeper{}, Open: func(context.Context) (members.Client, error) { return nil, errors.New("no role") }})
	if m := broken.Read(t.Context()); ids(m) != "[1]" || !strings.Contains(m.Notes[0].What, "only the listed ones") {
		t.Errorf("nothing known: %+v", m)
	}
}

// badKeeper keeps nothing and has lost what it had.
type badKeeper struct{}

func (badKeeper) LoadOrganization(string) (inventory.Organization, error) {
	return inventory.Organization{}, inventory.ErrCorrupt
}
func (badKeeper) SaveOrganization(inventory.Organization) error { return fs.ErrPermission }

// A scan finds the accounts anew, and what comes after it, a plan say, works on
// these; while nothing is known of the organization any more, what was seen of
// its accounts stays, under its old date.
func TestLiveFleet(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	iam := iamOf(p.World)
	f, err := fleet.New(fleet.Options{Federation: federation.Federation{Name: "corp", Partition: signin.AWS, Regions: p.Demo().Regions}, Open: iam})
	if err != nil {
		t.Fatal(err)
	}
	units := p.Demo().Organization.Units
	live := members.Live(f, p.source(federation.Organization{OUs: []string{units[seed.UnitProduction]}}))
	first := live.Scan(t.Context(), inventory.Snapshot{})
	if got := scanned(first); !slices.Equal(got, []string{"111122223333", "222233334444", "333344445555", "333344446666"}) || len(first.Accounts[0].Roles) == 0 || len(first.Accounts[1].Providers) == 0 {
		t.Fatalf("%v", got)
	}
	plan, err := live.Plan(t.Context(), first)
	if err != nil || len(plan.Edits) == 0 {
		t.Fatalf("%d edits, %v", len(plan.Edits), err)
	}
	p.org().ChangeMember("111122223333", func(m *world.Member) { m.Parent = units[seed.UnitTest] })
	second := live.Scan(t.Context(), first)
	if got := scanned(second); slices.Contains(got, "111122223333") {
		t.Errorf("an account that has left is scanned: %v", got)
	}
	if _, err := live.Apply(t.Context(), plan, fleet.ApplyOptions{}); err == nil || !strings.Contains(err.Error(), "not in one of the federation's accounts") {
		t.Errorf("a role of an account that has left is written: %v", err)
	}
	if _, err := p.Fault(fault.Fault{Target: "organizations", Effect: fault.Effect{Kind: fault.Down}}); err != nil {
		t.Fatal(err)
	}
	other := members.Live(f, p.source(federation.Organization{All: true}))
	if got := other.Scan(t.Context(), second); !slices.Equal(scanned(got), scanned(second)) || !got.Unread() || !got.TakenAt.Equal(second.TakenAt) || got.Accounts[0].Error.Code != finding.OrganizationUnread {
		t.Errorf("nothing known: %+v", got)
	}
}

func scanned(s inventory.Snapshot) []string {
	var out []string
	for _, a := range s.Accounts {
		out = append(out, a.ID)
	}
	return out
}
