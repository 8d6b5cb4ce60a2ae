package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// Explanation is why one role does, or does not, admit the sign-ins of one
// provider at one of its endpoints, for one action. Because is a sentence that
// names the statement and the condition that decided.
type Explanation struct {
	Provider string              `json:"provider"`
	Audience string              `json:"audience"`
	Action   string              `json:"action"`
	Verdict  trustpolicy.Verdict `json:"verdict"`
	Because  string              `json:"because"`
	HangsOn  []string            `json:"hangs_on,omitempty"` // conditions that a conditional answer hangs on
}

// Explain evaluates a role of a snapshot for a Region. It asks no AWS. An error
// says that the role's policy cannot be parsed, or that it is not known where the
// sign-ins of its provider arrive.
func (f *Fleet) Explain(ctx context.Context, snap inventory.Snapshot, role inventory.Role, region signin.Region) ([]Explanation, error) {
	fail := func(err error) error { return fmt.Errorf("explain role %s: %w", role.ARN, err) }
	if !f.Federation.Allows(region) {
		return nil, fail(fmt.Errorf("%s is not one of the federation's Regions", region))
	}
	p, err := trustpolicy.Parse(role.Trust)
	if err != nil {
		return nil, fail(err)
	}
	ends, err := f.endpoints(f.apps(ctx), scanned(snap.Accounts))
	if err != nil {
		return nil, fail(err)
	}
	a, _ := f.account(role.Account)
	var out []Explanation
	for _, provider := range federated(p.Providers()) {
		if !slices.Contains(a.Providers, provider) {
			continue
		}
		if why := ends.unknown[provider]; why != nil {
			return nil, fail(why)
		}
		for _, acs := range ends.at(provider, region) {
			for _, action := range trustpolicy.SAMLActions() {
				l := login(provider, acs)
				l.Action = action
				d := trustpolicy.Admits(p, l)
				e := Explanation{Provider: provider, Audience: acs.String(), Action: action, Verdict: d.Verdict, Because: d.String()}
				for _, on := range d.DependsOn {
					if !slices.Contains(e.HangsOn, on.Condition) {
						e.HangsOn = append(e.HangsOn, on.Condition)
					}
				}
				out = append(out, e)
			}
		}
	}
	return out, nil
}
