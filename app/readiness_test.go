package app_test

import (
	"encoding/base64"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/sandbox/portal"
	"github.com/samlfailover/samlfailover/signin"
)

// spec 6.3: the whole way from AWS and the identity providers to the report: a
// provider that has another certificate than its app takes its roles out of every
// Region, and which Regions an account has enabled is read.
func TestReadinessFromTheWorld(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	retail, production := p.app("AWS Retail"), p.app("AWS Production")
	p.account(production.Account).EnableRegion(signin.MustRegion("eu-south-1"))
	key, err := portal.NewKey("another key", nil)
	if err != nil {
		t.Fatal(err)
	}
	pr, ok := p.account(retail.Account).Provider("PingOne")
	if !ok {
		t.Fatal("no provider")
	}
	changed := regexp.MustCompile(`(<[\w:]*X509Certificate>)[^<]*`).ReplaceAllString(pr.Metadata, "${1}"+base64.StdEncoding.EncodeToString(key.Certificate.Raw))
	if _, err := p.account(retail.Account).PutProvider("PingOne", []byte(changed)); err != nil || changed == pr.Metadata {
		t.Fatal(err)
	}
	run, err := app.OpenTrust(p.setup(&journal{}), "", people.Local("test", people.CLI), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = run.Close() }()
	snap, err := run.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range snap.Accounts {
		want := "DISABLED"
		if a.ID == production.Account {
			want = "ENABLED"
		}
		if a.RegionsError != nil || a.Regions["eu-south-1"] != want || a.Regions["us-west-2"] != "" {
			t.Errorf("%s: %v %v", a.ID, a.Regions, a.RegionsError)
		}
	}
	report, err := run.Readiness(control.ReadinessQuery{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stale := 0
	for _, role := range report.Roles {
		for _, r := range role.Regions {
			if r.Finding == nil || r.Finding.Code != finding.ProviderStale {
				continue
			}
			stale++
			if role.Account != retail.Account || r.State != inventory.NotReady {
				t.Errorf("%s: %+v", role.Role, r)
			}
		}
	}
	if stale == 0 || !slices.ContainsFunc(report.Findings, func(f finding.Finding) bool { return f.Code == finding.ProviderStale }) {
		t.Errorf("the certificate is not missed: %d cells, %v", stale, report.Findings)
	}
	if !slices.ContainsFunc(report.InUse, func(s control.RegionSuggestion) bool {
		return s.Region.String() == "eu-south-1" && !s.Standby && slices.Equal(s.Accounts, []string{production.Account})
	}) || !slices.ContainsFunc(report.Findings, func(f finding.Finding) bool { return f.Code == finding.RegionInUse }) {
		t.Errorf("%+v", report.InUse)
	}
}
