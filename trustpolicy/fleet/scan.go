package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// pageSize is the most that ListRoles gives at once (IAM API Reference).
const pageSize = 1000

// quotaKey is the trust-policy quota's name in GetAccountSummary.
const quotaKey = "AssumeRolePolicySizeQuota"

// Scan reads the federated roles of all accounts, several accounts at a time,
// and judges for every Region of the federation whether each role would admit a
// sign-in there. N roles of an account cost ceil(N/1000) reads and one for the
// quota; the account's SAML providers cost one call and one per provider that is
// read, which are counted apart. An account that cannot be read carries the
// reason and keeps what last saw of it, under its old date; it never hides
// another one. Where none could be read, the whole keeps its old date, and once
// IAM itself is found silent no further account is tried.
func (f *Fleet) Scan(ctx context.Context, last inventory.Snapshot) inventory.Snapshot {
	out := inventory.Snapshot{Federation: f.Federation.Name, TakenAt: time.Now(),
		Accounts: make([]inventory.AccountScan, len(f.Federation.Accounts))}
	var done atomic.Int64
	found := make([][]reading, len(f.Federation.Accounts))
	sweep, stop := context.WithCancel(ctx)
	defer stop()
	iam := &pulse{fleet: f, stop: stop, turn: make(chan struct{}, 1)}
	var watch sync.WaitGroup
	watch.Go(func() { iam.watch(sweep) })
	f.eachAccount(func(i int, a federation.Account) {
		scan, roles, err := f.scanUnlessSilent(sweep, iam, a, last)
		if err != nil {
			f.Log.Warn("an account could not be scanned", "federation", f.Federation.Name, "account", a.ID, "err", err)
			scan, roles = keep(a, last, scan.Calls, err), nil
			if why := iam.silent(); why != nil {
				scan.Error = why
			}
		}
		out.Accounts[i], found[i] = scan, roles
		f.progress(Progress{Stage: "scan", Account: a.ID, Done: int(done.Add(1)), Total: len(out.Accounts), Text: summary(scan)})
	})
	stop()
	watch.Wait()
	apps := f.apps(ctx)
	f.assess(apps, out.Accounts, found)
	out.InUse = f.inUse(apps, out.Accounts)
	if out.Unread() && !last.TakenAt.IsZero() {
		out.TakenAt = last.TakenAt
	}
	if why := iam.silent(); why != nil {
		out.Notes = append(out.Notes, *why)
	}
	return out
}

// scanUnlessSilent scans an account, and finds out whether IAM itself is silent
// when a call goes unanswered.
func (f *Fleet) scanUnlessSilent(ctx context.Context, iam *pulse, a federation.Account, last inventory.Snapshot) (inventory.AccountScan, []reading, error) {
	if why := iam.silent(); why != nil {
		return inventory.AccountScan{}, nil, *why
	}
	scan, roles, err := f.scanAccount(ctx, a, last)
	iam.feel(ctx, err)
	return scan, roles, err
}

// assess judges the roles that were read, once every account's providers are
// known.
func (f *Fleet) assess(apps []inventory.AppRead, accounts []inventory.AccountScan, found [][]reading) {
	ends, err := f.endpoints(apps, scanned(accounts))
	f.eachAccount(func(i int, _ federation.Account) {
		for k, r := range found[i] {
			role := &accounts[i].Roles[k]
			switch {
			case r.err != nil:
				role.Regions = f.unjudged(*role, r.err)
			case err != nil:
				role.Regions = f.unjudged(*role, err)
			default:
				policy, _ := trustpolicy.Parse(role.Trust) // it was parsed before
				role.Regions = f.inRegions(accounts[i], *role, f.judge(*role, policy, r.providers, ends))
			}
		}
		accounts[i].Notes = slices.DeleteFunc(slices.Clone(accounts[i].Notes), func(n finding.Finding) bool { return slices.Contains(noteCodes(), n.Code) })
	})
	if len(accounts) > 0 {
		accounts[0].Notes = append(accounts[0].Notes, ends.notes...)
	}
}

func summary(s inventory.AccountScan) string {
	if s.Error != nil {
		return s.Error.What
	}
	return fmt.Sprintf("%d of %d roles are federated, %d calls; %s", len(s.Roles), s.Scanned, s.Calls, counted(s))
}

// keep is the scan of an account that could not be read.
func keep(a federation.Account, last inventory.Snapshot, calls int, err error) inventory.AccountScan {
	out := known(last, a)
	out.Calls = calls
	out.Error = unreadable(a, err)
	return out
}

func unreadable(a federation.Account, err error) *finding.Finding {
	remedy := "check the account's scan_role, its trust policy and the base credentials, then run: samlfailover trust scan"
	if code := errorCode(err); strings.HasPrefix(code, "Throttl") {
		remedy = "something else uses up the account's IAM request rate; run the scan again later"
	}
	return &finding.Finding{Code: finding.AccountUnreadable, Subject: "account " + a.String(),
		What: "the account's roles could not be read", Why: err.Error(), Remedy: remedy}
}

func (f *Fleet) scanAccount(ctx context.Context, a federation.Account, last inventory.Snapshot) (inventory.AccountScan, []reading, error) {
	var found []reading
	out := inventory.AccountScan{ID: a.ID, Name: a.Name, ReadAt: time.Now()}
	api, err := f.dial(ctx, a, ToRead)
	if err != nil {
		return out, nil, fmt.Errorf("open account %s for reading: %w", a.ID, err)
	}
	out.Calls++
	if out.SizeQuota, err = quota(ctx, api); !answered(err) {
		return out, nil, err
	} else if err != nil {
		f.Log.Warn("the trust-policy quota is not known; the default is assumed", "account", a.ID, "err", err)
	}
	in := &iam.ListRolesInput{MaxItems: aws.Int32(pageSize)}
	for {
		out.Calls++
		page, err := api.ListRoles(ctx, in)
		if err != nil {
			return out, nil, fmt.Errorf("list the roles of account %s: %w", a.ID, err)
		}
		out.Scanned += len(page.Roles)
		for _, r := range page.Roles {
			if role, read, ok := f.read(a, r); ok {
				out.Roles, found = append(out.Roles, role), append(found, read)
			}
		}
		if !page.IsTruncated {
			f.providers(ctx, api, a, last, &out)
			f.regions(ctx, a, last, &out)
			return out, found, nil
		}
		if next := aws.ToString(page.Marker); next == "" || next == aws.ToString(in.Marker) {
			return out, nil, fmt.Errorf("list the roles of account %s: IAM announces more roles but gives no new marker", a.ID)
		}
		in.Marker = page.Marker
	}
}

// quota reads how long a trust policy of the account may be, in characters; 0
// when IAM does not say.
func quota(ctx context.Context, api IAM) (int, error) {
	sum, err := api.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		return 0, fmt.Errorf("read the account summary: %w", err)
	}
	return int(sum.SummaryMap[quotaKey]), nil
}

// reading is what a role's policy was found to be, to be judged when every
// account was read: the providers of the federation that it names, or why it
// cannot be parsed. The policy is parsed again then: that is quick, and parsed
// policies of a large fleet take many times the room of their texts.
type reading struct {
	providers []string
	err       error
}

// read takes up one role; ok is false when it is not one of the federation's.
func (f *Fleet) read(a federation.Account, r types.Role) (role inventory.Role, read reading, ok bool) {
	role = inventory.Role{Account: a.ID, ARN: aws.ToString(r.Arn), Name: aws.ToString(r.RoleName), Path: aws.ToString(r.Path)}
	role.Protected = federation.Protected(role.Path)
	text, err := decode(r.AssumeRolePolicyDocument)
	if err != nil {
		text = aws.ToString(r.AssumeRolePolicyDocument)
	}
	role.Trust = text
	policy, err := trustpolicy.Parse(text)
	if read.err = err; err != nil {
		return role, read, f.mentions(a, text)
	}
	read.providers = federated(policy.Providers())
	if !f.everything {
		read.providers = slices.DeleteFunc(read.providers, func(arn string) bool { return !slices.Contains(a.Providers, arn) })
	}
	return role, read, len(read.providers) > 0
}

// mentions reports whether a policy that cannot be parsed seems to be about a
// provider that we look for.
func (f *Fleet) mentions(a federation.Account, text string) bool {
	if f.everything {
		return strings.Contains(text, ":saml-provider/")
	}
	return slices.ContainsFunc(a.Providers, func(arn string) bool { return strings.Contains(text, arn) })
}

// unjudged is the readiness of a role whose policy cannot be parsed.
func (f *Fleet) unjudged(role inventory.Role, err error) []inventory.RegionReadiness {
	var out []inventory.RegionReadiness
	for _, r := range f.Federation.Regions {
		out = append(out, inventory.RegionReadiness{Region: r, State: inventory.Unknown, Finding: &finding.Finding{
			Code: finding.RoleNotReady, Subject: role.ARN, What: "whether the role admits sign-ins at " + r.String() + " is not known",
			Why: err.Error(), Remedy: "correct the role's trust policy by hand"}})
	}
	return out
}
