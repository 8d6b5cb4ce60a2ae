package discover

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// standby suggests a second Region: the one that most roles admit already, else
// one of the same part of the world. It says which of the two it was.
func (d *drafter) standby(f federation.Federation) (signin.Region, string) {
	var best signin.Region
	most, total := 0, 0
	counts := map[signin.Region]int{}
	for _, s := range d.in.Scans {
		at := slices.IndexFunc(f.Accounts, func(a federation.Account) bool { return a.ID == s.ID })
		if at < 0 {
			continue
		}
		for _, r := range s.Roles {
			if ours := intersection(trusted(r), f.Accounts[at].Providers); len(ours) > 0 {
				total++
				for _, region := range admitted(r.Trust, ours[0], f) {
					counts[region]++
				}
			}
		}
	}
	for _, r := range signin.Regions(f.Partition, true) {
		if counts[r] > most {
			best, most = r, counts[r]
		}
	}
	if most > 0 {
		return best, fmt.Sprintf("%s is suggested as standby: %d of %d roles admit it already", best, most, total)
	}
	best = neighbour(f.Home())
	return best, fmt.Sprintf("%s is suggested as standby, for its place on the map: no role admits a second Region yet", best)
}

func intersection(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// admitted returns the Regions beside home that a trust policy names and lets
// people in at.
func admitted(text, provider string, f federation.Federation) []signin.Region {
	p, err := trustpolicy.Parse(text)
	if err != nil {
		return nil
	}
	var out []signin.Region
	for _, r := range signin.Regions(f.Partition, true) {
		acs, err := r.ACS("")
		if err != nil || r == f.Home() || !strings.Contains(text, acs.String()) {
			continue
		}
		if trustpolicy.Admits(p, trustpolicy.Login{Provider: provider, Audience: acs.String(), Partial: true}).Verdict != trustpolicy.Deny {
			out = append(out, r)
		}
	}
	return out
}

// neighbour returns another Region of the same partition: of the same part of
// the world at another end of it if there is one, else of the same part, else
// any. Only Regions that need no opt-in come into question.
func neighbour(home signin.Region) signin.Region {
	var best signin.Region
	rank := -1
	at := strings.Split(home.String(), "-")
	for _, r := range signin.Regions(home.Partition(), false) {
		parts := strings.Split(r.String(), "-")
		score := 0
		if parts[0] == at[0] {
			score = 1
			if parts[len(parts)-2] != at[len(at)-2] {
				score = 2
			}
		}
		if r != home && score >= rank {
			best, rank = r, score
		}
	}
	return best
}
