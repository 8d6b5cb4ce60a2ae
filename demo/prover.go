package demo

import (
	"context"
	"encoding/xml"
	"fmt"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/signin"
)

// prover proves a moved app through the simulated portal (spec 3): it signs in
// as a test user. P4 needs that the assertion issued by the moved app itself
// names the new endpoint as Destination and Recipient, that the new Region's
// sign-in endpoint accepted it, and that the person landed on that Region's
// console.
type prover struct{ world *sandbox.World }

// Prove implements the mover's Prover.
func (p prover) Prove(ctx context.Context, app federation.AppRef, to signin.Region) (control.ProofLevel, error) {
	res := p.world.Login(ctx, app.ID, "")
	if len(res.Assertion) == 0 {
		return control.ProvedReadBack, missing(app, "the portal issued no assertion: "+res.Reason)
	}
	want, err := to.ACS("")
	if err != nil {
		return control.ProvedReadBack, err
	}
	if got := endpointsOf(res.Assertion); got != (endpoints{want.String(), want.String()}) {
		return control.ProvedReadBack, missing(app, fmt.Sprintf("the assertion names Destination %q and Recipient %q, not %s", got.destination, got.recipient, want))
	}
	if !res.OK {
		return control.ProvedReadBack, missing(app, "the new Region refused the login: "+res.Reason)
	}
	if landed, ok := signin.RegionOfRelayState(res.Landing); res.Region != to.String() || !ok || landed != to {
		return control.ProvedAssertion, missing(app, "the login landed on "+res.Landing)
	}
	return control.ProvedLogin, nil
}

func missing(app federation.AppRef, why string) error {
	return finding.Finding{Code: finding.ProofMissing, Subject: "app " + app.Name, What: "the moved app could not be proved by a login", Why: why,
		Remedy: "sign in through the app by hand and look at what AWS answers"}
}

type endpoints struct{ destination, recipient string }

// endpointsOf reads the two endpoint names of a SAML response.
func endpointsOf(response []byte) endpoints {
	var r struct {
		Destination string `xml:"Destination,attr"`
		Data        struct {
			Recipient string `xml:"Recipient,attr"`
		} `xml:"Assertion>Subject>SubjectConfirmation>SubjectConfirmationData"`
	}
	if xml.Unmarshal(response, &r) != nil {
		return endpoints{}
	}
	return endpoints{r.Destination, r.Data.Recipient}
}
