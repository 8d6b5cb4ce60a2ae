package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
	"github.com/samlfailover/samlfailover/trustpolicy/members"
)

// estate is the demo's organization with 60 accounts more, scanned with the
// product's own AWS clients over the simulators.
type estate struct {
	*sandbox.World
	fleet *members.Fleet
	fed   federation.Federation
	aws   *awsaccess.Access
}

// blind is the fleet that does not ask whether IAM answers.
func (e *estate) blind(t *testing.T) *fleet.Fleet {
	t.Helper()
	f := e.fed
	f.Accounts = e.accounts()
	out, err := fleet.New(fleet.Options{Federation: f, Open: opener(e.aws)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (e *estate) accounts() (out []federation.Account) {
	for _, a := range e.Demo().Accounts {
		out = append(out, e.fed.Organization.Account(a.ID, a.Name))
	}
	return out
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	w, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	d := w.Demo()
	org, _ := w.Cloud().OrganizationOf(signin.AWS, d.Organization.Management)
	model, _ := w.Cloud().Account(signin.AWS, d.Accounts[0].ID)
	for i := range 60 {
		id := fmt.Sprintf("5000000000%02d", i)
		acc := w.Cloud().AddAccount(id, "more")
		for _, r := range model.Roles() {
			if strings.HasPrefix(r.Name, "samlfailover-") || r.Name == "OnCall" {
				if err := acc.PutRole(world.Role{Name: r.Name, Trust: strings.ReplaceAll(r.Trust, model.ID(), id), Allow: r.Allow}); err != nil {
					t.Fatal(err)
				}
			}
		}
		org.AddMember(world.Member{ID: id, Name: "more"})
	}
	n, err := outbound.New(outbound.Settings{RoundTripper: w.RoundTripper()})
	if err != nil {
		t.Fatal(err)
	}
	a, err := awsaccess.New(awsaccess.Settings{Region: "us-west-2", AccessKeyID: d.Controller.AccessKeyID, SecretAccessKey: secret.New(d.Controller.SecretKey), Network: n})
	if err != nil {
		t.Fatal(err)
	}
	hole := func(s string) string { return strings.ReplaceAll(s, d.Accounts[0].ID, federation.AccountHole) }
	f := federation.Federation{Name: "workforce", Partition: signin.AWS, Regions: d.Regions, Organization: federation.Organization{All: true, Exclude: []string{d.Controller.Account},
		Role: d.Organization.Role, Providers: []string{"arn:aws:iam::{account}:saml-provider/Okta"}, ScanRole: hole(d.Accounts[0].ScanRole), EnforceRole: hole(d.Accounts[0].EnforceRole)}}
	fl, err := newFleet(Setup{Config: &config.Config{}, Log: slog.New(slog.DiscardHandler)}, f, a, inventory.Keeper{Dir: t.TempDir()}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &estate{w, fl, f, a}
}

func (e *estate) breaks(t *testing.T, target string, effect fault.Effect) {
	t.Helper()
	if _, err := e.Fault(fault.Fault{Target: target, Effect: effect}); err != nil {
		t.Fatal(err)
	}
}

// scanned scans and says how long that took in virtual time.
func (e *estate) scanned(ctx context.Context, last inventory.Snapshot) (inventory.Snapshot, time.Duration) {
	begin := time.Now()
	out := e.fleet.Scan(ctx, last)
	return out, time.Since(begin)
}

// atOnce bounds a scan of any size that finds IAM silent: two questions of three
// seconds.
const atOnce = 6500 * time.Millisecond

// A scan of 66 accounts of an organization tells within seconds that us-east-1 is
// gone, however it went, and keeps what was known with its date. It asks nothing
// but whether IAM answers.
// Saboteur: the same scan without that question takes minutes.
// spec 6.2, 9.2
func TestSilenceIsToldAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		last, took := e.scanned(t.Context(), inventory.Snapshot{})
		if len(last.Accounts) != 66 || last.Unread() || took > time.Second {
			t.Fatalf("%d accounts in %s, %v", len(last.Accounts), took, last.Notes)
		}
		time.Sleep(3 * time.Hour)
		for _, kind := range []fault.Kind{fault.Down, fault.Blackhole, fault.DNS, fault.Stall, fault.ServerError, fault.Reset, fault.TLSExpired} {
			e.breaks(t, "us-east-1", fault.Effect{Kind: kind})
			before := e.Requests().Last()
			got, took := e.scanned(t.Context(), last)
			if took > atOnce {
				t.Errorf("%s: told after %s", kind, took)
			}
			if !got.Unread() || !got.TakenAt.Equal(last.TakenAt) || len(got.Notes) == 0 || got.Notes[0].Code != finding.IAMSilent || len(got.Accounts) != 66 {
				t.Errorf("%s: %d accounts of %s, %v", kind, len(got.Accounts), got.TakenAt, got.Notes)
			}
			for _, r := range e.Demo().Regions {
				if a, b := got.Share(r), last.Share(r); a.Ready != b.Ready || a.Total != b.Total {
					t.Errorf("%s, %s: %d of %d, known was %d of %d", kind, r, a.Ready, a.Total, b.Ready, b.Total)
				}
			}
			if n := e.Requests().Count(before, func(x reqlog.Entry) bool { return x.Service != "iam" }); n != 0 {
				t.Errorf("%s: %d other calls", kind, n)
			}
			if _, err := e.Heal(""); err != nil {
				t.Fatal(err)
			}
		}
		e.breaks(t, "us-east-1", fault.Effect{Kind: fault.Blackhole})
		begin := time.Now()
		if e.blind(t).Scan(t.Context(), last); time.Since(begin) < time.Minute {
			t.Errorf("without the question it took %s, so the test proves nothing", time.Since(begin))
		}
	})
}

// When IAM falls silent in the middle of a scan, what was read until then counts,
// the others keep what was known, and the scan ends soon all the same.
// spec 6.2
func TestSilenceInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Down, fault.Blackhole, fault.ServerError, fault.Stall} {
		synctest.Test(t, func(t *testing.T) {
			e := newEstate(t)
			last, _ := e.scanned(t.Context(), inventory.Snapshot{})
			time.Sleep(time.Hour)
			e.breaks(t, "iam", fault.Effect{Kind: fault.Latency, Duration: 200 * time.Millisecond})
			gone := time.AfterFunc(2*time.Second, func() { e.breaks(t, "iam", fault.Effect{Kind: kind}) })
			defer gone.Stop()
			got, end := e.scanned(t.Context(), last)
			read := 0
			for i, a := range got.Accounts {
				if a.Error == nil {
					read++
				} else if a.Error.Code != finding.IAMSilent || len(a.Roles) != len(last.Accounts[i].Roles) {
					t.Errorf("%s: %+v", kind, a.Error)
				}
			}
			if end > 30*time.Second || read == 0 || read == len(got.Accounts) || got.Unread() || !slices.ContainsFunc(got.Notes, func(f finding.Finding) bool { return f.Code == finding.IAMSilent }) {
				t.Errorf("%s: %d of %d read, after %s, %v", kind, read, len(got.Accounts), end, got.Notes)
			}
		})
	}
}
