package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"golang.org/x/sync/errgroup"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/prove"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// CheckReport is what `check` saw: the way out, every app, every account.
type CheckReport struct {
	Config   string               `json:"config"`
	Warnings []string             `json:"warnings,omitempty"` // of the config, with their places
	Network  outbound.Description `json:"network"`
	// EndpointVariables are AWS endpoint overrides in force in the environment;
	// they are ignored unless network.allow_endpoint_override is set.
	EndpointVariables []string       `json:"endpoint_variables,omitempty"`
	EndpointsObeyed   bool           `json:"endpoints_obeyed"`
	Apps              []CheckApp     `json:"apps"`
	Accounts          []CheckAccount `json:"accounts"`
	// Organizations are those that federations take accounts from.
	Organizations []CheckOrganization `json:"organizations,omitempty"`
	// Serving is about the identity of this run, nil where no account is listed.
	Serving *CheckServing `json:"serving,omitempty"`
	// Exceptions are those of the config that have ended or will soon.
	Exceptions []finding.Finding `json:"exceptions,omitempty"`
}

// CheckApp is one app as its IdP has it now.
type CheckApp struct {
	Federation string            `json:"federation"`
	App        string            `json:"app"`
	Tenant     string            `json:"tenant"`
	ID         string            `json:"id"`
	Kind       string            `json:"kind,omitempty"`
	Region     signin.Region     `json:"region"`
	ACS        string            `json:"acs,omitempty"`
	Movable    bool              `json:"movable"`
	Findings   []finding.Finding `json:"findings,omitempty"`
	// Proof is how far a move of the app can be proven, tried now where a test
	// user is configured; Unproved says why no further.
	Proof    failover.Level   `json:"proof"`
	Unproved *finding.Finding `json:"unproved,omitempty"`
}

// CheckAccount is one account: could its roles be read?
type CheckAccount struct {
	Federation string           `json:"federation"`
	ID         string           `json:"id"`
	Name       string           `json:"name,omitempty"`
	Roles      int              `json:"roles"`
	Finding    *finding.Finding `json:"finding,omitempty"`
}

// Good reports whether everything could be read and every app can be moved.
func (r CheckReport) Good() bool {
	for _, a := range r.Apps {
		if !a.Movable {
			return false
		}
	}
	for _, a := range r.Accounts {
		if a.Finding != nil {
			return false
		}
	}
	return !slices.ContainsFunc(r.Organizations, func(o CheckOrganization) bool { return !o.Good() })
}

// checkTime bounds one question to an IdP or an account.
const checkTime = 30 * time.Second

// Check reads the apps and asks every account once. It changes nothing.
func Check(ctx context.Context, s Setup) (CheckReport, error) {
	secrets, network, err := s.open()
	if err != nil {
		return CheckReport{}, err
	}
	defer network.Close()
	tenants, err := vendors(s.Config, secrets, network, s.Log)
	if err != nil {
		return CheckReport{}, err
	}
	base, err := access(s, secrets, network)
	if err != nil {
		return CheckReport{}, err
	}
	if _, err := sinksOf(s.Config, secrets, network, s.Log); err != nil {
		return CheckReport{}, err
	}
	kept := newShares(inventory.Keeper{Dir: inventoryDir(s.Config.Store.Dir)}, s.Config.Federations(), s.Log)
	kept.load()
	prover, err := newProver(s.Config, tenants, kept.providers)
	if err != nil {
		return CheckReport{}, err
	}
	out := CheckReport{Config: s.Config.Path(), Network: network.Describe(), EndpointVariables: awsaccess.EndpointVariables(s.Env),
		EndpointsObeyed: s.Config.Network.AllowEndpointOverride, Apps: []CheckApp{}, Accounts: []CheckAccount{}}
	for _, w := range s.Config.Warnings {
		out.Warnings = append(out.Warnings, w.String())
	}
	if secrets.StoreKey.IsZero() {
		out.Warnings = append(out.Warnings, fmt.Sprintf("store.key: no store key is configured; serve keeps one in %s (mode 0600): have a copy of it in another place than the backups", s.Config.KeyFile()))
	} else if _, err := storeCodec(s.Config, secrets, false, s.Log); err != nil {
		return CheckReport{}, err
	}
	feds := s.Config.Federations()
	for i, f := range feds {
		out.Apps = append(out.Apps, collect(f.Members(), func(a federation.AppRef) CheckApp { return checkApp(ctx, tenants, prover, f.Name, a) })...)
		if f.Organization.Used() {
			org, all := checkOrganization(ctx, base, inventory.Keeper{Dir: inventoryDir(s.Config.Store.Dir)}, f, s.Log)
			out.Organizations, f.Accounts = append(out.Organizations, org), all
			feds[i] = f
		}
		out.Accounts = append(out.Accounts, collect(f.Accounts, func(a federation.Account) CheckAccount { return checkAccount(ctx, base, f.Name, a) })...)
		out.Exceptions = append(out.Exceptions, inventory.EndingExceptions(f, time.Now())...)
	}
	out.Serving = checkServing(ctx, base, stsRegions(s.Config)[0], feds)
	return out, nil
}

// collect asks about several things at a time and keeps their order.
func collect[T, R any](in []T, ask func(T) R) []R {
	out := make([]R, len(in))
	var g errgroup.Group
	g.SetLimit(8)
	for i, v := range in {
		g.Go(func() error {
			out[i] = ask(v)
			return nil
		})
	}
	_ = g.Wait() // ask never fails: what went wrong is in its result
	return out
}

func checkApp(ctx context.Context, tenants move.Vendors, prover *prove.Prover, fed string, ref federation.AppRef) CheckApp {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	out := CheckApp{Federation: fed, App: ref.Name, Tenant: ref.Tenant, ID: ref.ID}
	a, _, err := tenants.Read(ctx, ref)
	if err != nil {
		out.Findings = []finding.Finding{asFinding(err, finding.IdPUnreachable, "app "+ref.Name, "the app could not be read from its IdP")}
		return out
	}
	out.Kind, out.Region, out.ACS, out.Movable, out.Findings = a.Kind, a.Region(), a.ACSText, a.Movable, a.Findings
	if a.Movable {
		out.Proof, out.Unproved = reach(ctx, prover, ref, a)
	}
	return out
}

// reach tries the proof where the app points now: what works there will most
// likely work after a move.
func reach(ctx context.Context, prover *prove.Prover, ref federation.AppRef, a idp.App) (failover.Level, *finding.Finding) {
	level, why := prover.Reach(ref, a.Kind)
	if why != nil {
		return level, why
	}
	level, err := prover.Prove(ctx, ref, a.Region())
	if err != nil {
		f := asFinding(err, finding.ProofMissing, "app "+ref.Name, "the test user could not sign in through the app")
		why = &f
	}
	return level, why
}

func checkAccount(ctx context.Context, base *awsaccess.Access, fed string, acc federation.Account) CheckAccount {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	out := CheckAccount{Federation: fed, ID: acc.ID, Name: acc.Name}
	fail := func(err error) CheckAccount {
		f := asFinding(err, finding.AccountUnreadable, "account "+acc.String(), "the account could not be read")
		out.Finding = &f
		return out
	}
	client, err := opener(base)(ctx, acc, fleet.ToRead)
	if err != nil {
		return fail(err)
	}
	res, err := client.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		return fail(fmt.Errorf("GetAccountSummary: %w", err))
	}
	out.Roles = int(res.SummaryMap["Roles"])
	return out
}

// asFinding is the finding in an error, or one made of it.
func asFinding(err error, code finding.Code, subject, what string) finding.Finding {
	if f, ok := finding.From(err); ok {
		return f
	}
	return finding.Finding{Code: code, Subject: subject, What: what, Why: err.Error(), Remedy: "check the credential, its permissions and the network; see: samlfailover check --verbose"}
}
