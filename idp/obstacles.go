package idp

import (
	"slices"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// Obstacles names what would stand against pointing an app at each of these
// Regions, such as an endpoint validator of the IdP that admits some of them
// only: to be asked in calm times, so that nobody learns it in a move. It asks
// the codec and changes nothing.
func Obstacles(c Codec, doc Document, regions []signin.Region) []finding.Finding {
	var out []finding.Finding
	for _, r := range regions {
		_, err := c.Retarget(doc, signin.Target{To: r})
		if err == nil {
			continue
		}
		f, ok := finding.From(err)
		if !ok {
			f = finding.Finding{Code: finding.UnsupportedKind, What: "the app cannot be pointed at " + r.String(), Why: err.Error(),
				Remedy: "change the endpoint by hand in the IdP"}
		}
		if f.Subject == "" {
			f.Subject = subject(doc.ID)
		}
		if !slices.ContainsFunc(out, func(have finding.Finding) bool { return have.Code == f.Code && have.What == f.What }) {
			out = append(out, f)
		}
	}
	return out
}
