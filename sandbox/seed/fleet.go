package seed

import (
	"fmt"

	"github.com/samlfailover/samlfailover/sandbox/aws"
)

// Fleet is a crowd of accounts, of the size that enterprises have.
type Fleet struct {
	Accounts []Account
	Drifted  []string // ARNs of the roles that admit the home Region only
	Roles    int      // federated ones
}

// PlantFleet adds accounts with so many roles each to a world, the scan and the
// enforce role included, at least three. Out of a hundred federated roles three
// admit the home Region only. metadata is that of the identity provider's app.
func (d Demo) PlantFleet(c *aws.Cloud, metadata []byte, sizes []int) (Fleet, error) {
	at, err := placeOf(d.Partition)
	if err != nil {
		return Fleet{}, err
	}
	p := &planter{cloud: c, at: at}
	var out Fleet
	for i, size := range sizes {
		plan := accountPlan{id: fmt.Sprintf("9%011d", i+1), name: fmt.Sprintf("fleet-%03d", i+1)}
		account := c.AddAccountIn(at.partition, plan.id, plan.name)
		provider, err := account.PutProvider("Okta", metadata)
		if err != nil {
			return Fleet{}, err
		}
		for n := range size - 2 {
			r := rolePlan{name: fmt.Sprintf("team-%05d", n), path: "/teams/", form: form(n % int(forms))}
			if out.Roles++; out.Roles%100 == 10 || out.Roles%100 == 43 || out.Roles%100 == 76 {
				r.notReady = SingleAudience
				out.Drifted = append(out.Drifted, p.roleARN(plan.id, r.path, r.name))
			}
			if err := p.federated(account, plan.id, provider, r); err != nil {
				return Fleet{}, err
			}
		}
		if err := p.operators(account, plan, provider); err != nil {
			return Fleet{}, err
		}
	}
	out.Accounts = p.Demo.Accounts
	return out, nil
}
