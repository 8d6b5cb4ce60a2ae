package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// TrustPlan says which trust policies lack which audiences. It is a request,
// not an order: Apply takes role, federation, Regions and digest from it and
// computes every edit anew. Diff and sizes are for people.
type TrustPlan struct {
	Federation string          `json:"federation"`
	Regions    []signin.Region `json:"regions"`
	MadeAt     time.Time       `json:"made_at"`
	Edits      []RoleEdit      `json:"edits"`
	// Denies are edits of Deny statements. They are planned apart, and Apply
	// refuses them: a person has to approve each.
	Denies []RoleEdit `json:"deny_edits,omitempty"`
	// Elsewhere are edits of roles that other automation owns, to be made there.
	Elsewhere []RoleEdit        `json:"elsewhere,omitempty"`
	Refused   []finding.Finding `json:"refused,omitempty"` // roles that will not be written, and why
	Notes     []finding.Finding `json:"notes,omitempty"`   // what a person should look at
	Totals    Totals            `json:"totals"`
}

// RoleEdit is the planned change of one role's trust policy.
type RoleEdit struct {
	Account    string                  `json:"account"`
	Role       string                  `json:"role"` // ARN
	Digest     string                  `json:"digest"`
	Changes    []trustpolicy.Insertion `json:"changes"`
	SizeBefore int                     `json:"size_before"` // compact, in characters
	SizeAfter  int                     `json:"size_after"`
	SizeQuota  int                     `json:"size_quota"`
	Diff       string                  `json:"diff"`
	Policy     string                  `json:"policy"` // the whole text after the edit
}

// Totals count roles. Complete roles lack nothing.
type Totals struct {
	Accounts int `json:"accounts"`
	Roles    int `json:"roles"`
	Complete int `json:"complete"`
	Edits    int `json:"edits"`
	Denies   int `json:"deny_edits"`
	Refused  int `json:"refused"`
	// Excepted are roles that an exception keeps out of a Region or more. They are
	// counted among the others too: by what they lack elsewhere.
	Excepted int `json:"excepted"`
}

// share is one account's part of a plan.
type share struct {
	edits, denies  []RoleEdit
	elsewhere      []RoleEdit
	refused, notes []finding.Finding
	roles, whole   int
	excepted       int
}

// Plan computes what has to be added so that every role of the snapshot admits
// sign-ins at every Region of the federation. A role that is about to be planned
// is read again with GetRole, for its tags and its present text; one whose tags
// cannot be read is not written. An account whose scan failed is left out and
// named. The error is one of the request as a whole.
func (f *Fleet) Plan(ctx context.Context, snap inventory.Snapshot) (TrustPlan, error) {
	if snap.Federation != f.Federation.Name {
		return TrustPlan{}, fmt.Errorf("plan trust policies of federation %q: the snapshot is of federation %q", f.Federation.Name, snap.Federation)
	}
	snap = snap.Excepting(f.Federation.Policy, time.Now())
	ends, err := f.endpoints(f.apps(ctx), scanned(snap.Accounts))
	if err != nil {
		return TrustPlan{}, fmt.Errorf("plan trust policies of federation %q: %w", f.Federation.Name, err)
	}
	shares := make([]share, len(f.Federation.Accounts))
	total := 0
	for _, a := range snap.Accounts {
		total += len(a.Roles)
	}
	var done atomic.Int64
	f.eachAccount(func(i int, a federation.Account) {
		at := slices.IndexFunc(snap.Accounts, func(s inventory.AccountScan) bool { return s.ID == a.ID })
		if at < 0 {
			shares[i].refused = []finding.Finding{*unreadable(a, fmt.Errorf("the snapshot does not hold this account"))}
			return
		}
		shares[i] = f.planAccount(ctx, a, snap.Accounts[at], ends, func(role inventory.Role, text string) {
			f.progress(Progress{Stage: "plan", Account: a.ID, Role: role.ARN, Done: int(done.Add(1)), Total: total, Text: text})
		})
	})
	out := f.collect(shares)
	out.Notes = slices.Concat(out.Notes, ends.notes, inventory.EndingExceptions(f.Federation, out.MadeAt))
	return out, nil
}

func (f *Fleet) collect(shares []share) TrustPlan {
	out := TrustPlan{Federation: f.Federation.Name, Regions: f.Federation.Regions, MadeAt: time.Now(), Edits: []RoleEdit{}}
	for _, s := range shares {
		out.Edits = append(out.Edits, s.edits...)
		out.Denies = append(out.Denies, s.denies...)
		out.Elsewhere = append(out.Elsewhere, s.elsewhere...)
		for _, why := range s.refused {
			// One silence refuses every account.
			if why.Code != finding.IAMSilent || !slices.ContainsFunc(out.Refused, func(f finding.Finding) bool { return f.Code == finding.IAMSilent }) {
				out.Refused = append(out.Refused, why)
			}
		}
		out.Notes = append(out.Notes, s.notes...)
		out.Totals.Roles += s.roles
		out.Totals.Complete += s.whole
		out.Totals.Excepted += s.excepted
	}
	out.Totals.Accounts, out.Totals.Edits, out.Totals.Denies, out.Totals.Refused = len(shares), len(out.Edits), len(out.Denies), len(out.Refused)
	return out
}

func (f *Fleet) planAccount(ctx context.Context, a federation.Account, scan inventory.AccountScan, ends endpoints, done func(inventory.Role, string)) share {
	out := share{roles: len(scan.Roles)}
	if scan.Error != nil {
		out.refused = append(out.refused, *scan.Error)
		return out
	}
	api, err := f.dial(ctx, a, ToRead)
	if err != nil {
		out.refused = append(out.refused, *unreadable(a, fmt.Errorf("open account %s for reading: %w", a.ID, err)))
		return out
	}
	everywhere := ends.request(a, f.Federation.Regions)
	for _, role := range scan.Roles {
		want := everywhere
		if regions := f.allowed(a.ID, role.ARN, f.Federation.Regions); len(regions) < len(f.Federation.Regions) {
			out.excepted++
			want = ends.request(a, regions)
		}
		out.notes = append(append(out.notes, wide(role)...), uncertain(role)...)
		var planned *RoleEdit
		why := ends.unsure(a, candidate{arn: role.ARN, text: role.Trust})
		if why == nil {
			planned, why = f.planRole(ctx, api, a, role, scan.SizeQuota, want)
		}
		switch {
		case why != nil && why.Code == finding.NeedsApprover:
			out.denies = append(out.denies, *planned)
		case why != nil:
			out.refused = append(out.refused, *why)
			if planned != nil && why.Code == finding.TrustOwned {
				out.elsewhere = append(out.elsewhere, *planned)
			}
		case planned != nil:
			out.edits = append(out.edits, *planned)
		default:
			out.whole++
		}
		done(role, verdict(planned, why))
	}
	return out
}

func verdict(edit *RoleEdit, why *finding.Finding) string {
	switch {
	case why != nil:
		return "not written: " + why.Why
	case edit != nil:
		return fmt.Sprintf("%d audiences to add", len(edit.Changes))
	}
	return "complete"
}

// planRole returns an edit, a reason against one, or neither when nothing is
// missing. A reason comes with the edit where others may make it.
func (f *Fleet) planRole(ctx context.Context, api IAM, a federation.Account, role inventory.Role, quota int, want trustpolicy.EditRequest) (*RoleEdit, *finding.Finding) {
	c := candidate{arn: role.ARN, name: role.Name, path: role.Path, text: role.Trust, quota: quota}
	p, why := consider(f.Federation.Policy.OwnedBy, c, want)
	if why != nil && why.Code != finding.NeedsApprover {
		return edit(a, c, p), why
	}
	if p.text == "" {
		return nil, beyondHelp(role)
	}
	live, why := reread(ctx, api, c)
	if why != nil {
		return nil, why
	}
	p, why = consider(f.Federation.Policy.OwnedBy, live, want)
	return edit(a, live, p), why
}

// allowed returns the Regions that no exception keeps a role out of now: for the
// others it is not written (spec 5.6).
func (f *Fleet) allowed(account, role string, regions []signin.Region) []signin.Region {
	now := time.Now()
	return slices.DeleteFunc(slices.Clone(regions), func(r signin.Region) bool {
		_, kept := f.Federation.Policy.Excepted(account, role, r, now)
		return kept
	})
}

// edit describes a proposal; nil when it is none.
func edit(a federation.Account, c candidate, p proposal) *RoleEdit {
	if p.text == "" {
		return nil
	}
	return &RoleEdit{Account: a.ID, Role: c.arn, Digest: Digest(c.text), Changes: p.changes, SizeBefore: p.before,
		SizeAfter: p.after, SizeQuota: p.quota, Diff: Diff(c.name, c.text, p.text), Policy: p.text}
}

// reread reads text, path and tags of a role just before it is planned or
// written; tags that cannot be read are a reason against it.
func reread(ctx context.Context, api IAM, c candidate) (candidate, *finding.Finding) {
	got, err := api.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(c.name)})
	if err != nil || got.Role == nil {
		return c, &finding.Finding{Code: finding.TrustOwned, Subject: c.arn, What: "the role's tags cannot be read, so it is not written",
			Why: fmt.Sprintf("read the role: %v", err), Remedy: "allow iam:GetRole to the role that we assume in this account"}
	}
	if arn := aws.ToString(got.Role.Arn); arn != c.arn {
		return c, &finding.Finding{Code: finding.TrustRefused, Subject: c.arn, What: "the role is not the one that was meant",
			Why: "IAM has " + arn + " under this name", Remedy: "run: samlfailover trust scan"}
	}
	text, err := decode(got.Role.AssumeRolePolicyDocument)
	if err != nil {
		return c, refused(c, err)
	}
	c.text, c.path, c.tags = text, aws.ToString(got.Role.Path), tagMap(got.Role.Tags)
	return c, nil
}

// beyondHelp names a role that lacks no audience and is not ready all the same.
func beyondHelp(role inventory.Role) *finding.Finding {
	for _, r := range role.Regions {
		if r.State == inventory.Ready || r.State == inventory.Conditional || r.State == inventory.Excepted || r.Finding == nil || slices.Contains(beyond(), r.Finding.Code) {
			continue
		}
		out := *r.Finding
		if strings.Contains(out.Remedy, "trust plan") {
			out.Remedy = "no audience is missing: have the role's owner correct the trust policy"
		}
		return &out
	}
	return nil
}

// uncertain reports the Regions for which a role's answer hangs on a condition
// that only its owner can judge.
func uncertain(role inventory.Role) []finding.Finding {
	var out []finding.Finding
	for _, r := range role.Regions {
		if r.State == inventory.Conditional && r.Finding != nil {
			out = append(out, *r.Finding)
		}
	}
	return out
}

// wide reports the audiences of a role that admit foreign hosts.
func wide(role inventory.Role) []finding.Finding {
	p, err := trustpolicy.Parse(role.Trust)
	if err != nil {
		return nil
	}
	var out []finding.Finding
	for _, w := range trustpolicy.TooWide(p, domains()) {
		out = append(out, finding.Finding{Code: finding.AudTooWide, Subject: role.ARN,
			What: "the trust policy admits sign-in endpoints on hosts that are not AWS's", Why: fmt.Sprintf("%s holds %q, which admits %s", w.Condition, w.Value, w.Example),
			Remedy:   "replace the value by the list of sign-in URLs that you use",
			Evidence: map[string]string{"value": w.Value, "admits": w.Example}})
	}
	return out
}

// domains lists AWS's sign-in domains: the catalogue's hosts without the Region.
func domains() []string {
	var out []string
	for _, e := range signin.Catalogue() {
		d := strings.TrimPrefix(e.SignInHost, e.Region.String()+".")
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}
