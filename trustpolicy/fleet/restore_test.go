package fleet

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

var console = federation.AppRef{Name: "console", Tenant: "corp", ID: "0oa1"}

// pointing is the console app as just read.
func pointing(t *testing.T, region string) []inventory.AppRead {
	t.Helper()
	acs, err := signin.MustRegion(region).ACS("")
	if err != nil {
		t.Fatal(err)
	}
	return []inventory.AppRead{{Ref: console, ReadAt: time.Now(), ACS: acs, ACSText: acs.String()}}
}

// A former text comes back only where nothing else is lost with our addition;
// where somebody changed the role since, our addition alone is taken out, or
// nothing, and both changes are shown.
// spec 4.3
func TestRestoreAfterSomeoneNarrowedTheRole(t *testing.T) {
	t.Parallel()
	elsewhere := "https://eu-west-1.signin.aws.amazon.com/saml"
	issuer := func(text string) string { return strings.Replace(text, `"]}}`, `"],"SAML:iss":"x"}}`, 1) }
	for _, c := range []struct {
		why    string
		region string // where the app points
		live   string // what the role holds; "" = what we wrote
		state  State
		want   string // what it holds then; "" = as it was
		code   finding.Code
	}{
		{"still as we wrote it", "us-east-1", "", Written, trust(prod, home, elsewhere), ""},
		{"IAM has laid it out anew", "us-east-1", " " + trust(prod, home, elsewhere, standby) + "\n", Written, trust(prod, home, elsewhere), ""},
		{"somebody has widened it", "us-east-1", trust(prod, home, elsewhere, standby, "https://eu-west-2.signin.aws.amazon.com/saml"), Written, trust(prod, home, elsewhere, "https://eu-west-2.signin.aws.amazon.com/saml"), ""},
		{"somebody has narrowed it, which stays so", "us-east-1", trust(prod, home, standby), Written, trust(prod, home), ""},
		{"somebody has narrowed it by a condition", "us-east-1", issuer(trust(prod, home, elsewhere, standby)), Written, issuer(trust(prod, home, elsewhere)), ""},
		{"somebody has narrowed it to what we added", "us-east-1", trust(prod, standby), Refused, "", finding.ChangedMeanwhile},
		{"somebody took our addition out", "us-east-1", issuer(trust(prod, home, elsewhere)), Already, "", ""},
		{"somebody let another provider in by the statement", "us-east-1", strings.Replace(trust(prod, home, elsewhere, standby), `"`+provider(prod)+`"`, `["`+provider(prod)+`","`+provider(prod)+`2"]`, 1), Refused, "", finding.ChangedMeanwhile},
		{"it is back already", "us-east-1", trust(prod, home, elsewhere), Already, "", ""},
		{"the app points there now", "us-west-2", "", Refused, "", finding.TrustRefused},
		{"the app points there now, and it was narrowed", "us-west-2", trust(prod, home, standby), Refused, "", finding.TrustRefused},
		{"it has become another's", "us-east-1", "tagged", Refused, "", finding.TrustOwned},
	} {
		synctest.Test(t, func(t *testing.T) {
			fx := setUp(t, func(o *Options) { o.Federation.Apps = []federation.AppRef{console} })
			fx.prod.add("/", "a", trust(prod, home, elsewhere))
			var writes []Write
			o := ApplyOptions{Before: func(_ context.Context, w Write) error { writes = append(writes, w); return nil }}
			fx.apply(t, fx.plan(t), o)
			switch c.live {
			case "":
			case "tagged":
				fx.prod.roles["a"].tags = map[string]string{"managed-by": "terraform"}
			default:
				fx.prod.roles["a"].trust = c.live
			}
			was := fx.prod.roles["a"].trust
			r, err := fx.Restore(t.Context(), writes[:1:1], pointing(t, c.region), o)
			if err != nil || r.Outcomes[0].State != c.state || c.code != "" && r.Outcomes[0].Finding.Code != c.code {
				t.Errorf("%s: %+v, %v", c.why, r, err)
				return
			}
			if c.want == "" {
				c.want = was
			}
			if now := fx.prod.roles["a"].trust; now != c.want || (c.state == Written) != (len(writes) == 2) {
				t.Errorf("%s: %d writes\n got %s\nwant %s", c.why, len(writes), now, c.want)
			}
			if c.code == finding.ChangedMeanwhile && (r.Outcomes[0].Finding.Evidence["difference"] == "" || !strings.Contains(r.Outcomes[0].Finding.Evidence["change"], standby)) {
				t.Errorf("%s: both are not shown: %v", c.why, r.Outcomes[0].Finding.Evidence)
			}
		})
	}
}

// A record cannot name what is not the federation's, and nothing is taken away
// while it is not known where an app points.
func TestRestoreRefusesTheWhole(t *testing.T) {
	t.Parallel()
	fx := setUp(t, func(o *Options) { o.Federation.Apps = []federation.AppRef{console} })
	fx.prod.add("/", "a", trust(prod, home, standby))
	w := Write{Account: prod, Role: fx.prod.arn("a"), Before: trust(prod, home), After: trust(prod, home, standby)}
	foreign := w
	foreign.Account, foreign.Role = "999999999999", "arn:aws:iam::999999999999:role/a"
	old := pointing(t, "us-east-1")
	old[0].ReadAt = time.Now().Add(-time.Hour)
	for why, c := range map[string]struct {
		write Write
		apps  []inventory.AppRead
	}{"foreign account": {foreign, pointing(t, "us-east-1")}, "unread app": {w, nil}, "app read long ago": {w, old}} {
		if _, err := fx.Restore(t.Context(), []Write{c.write}, c.apps, ApplyOptions{}); err == nil || len(fx.prod.writes) > 0 {
			t.Errorf("%s: %v, written %v", why, err, fx.prod.writes)
		}
	}
}
