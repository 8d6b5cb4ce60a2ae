package fleet_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// opener assumes the scan and the enforce role of an account with the SDK's own
// clients.
func opener(w *sandbox.World) fleet.Opener {
	client := &http.Client{Transport: w.RoundTripper()}
	who := w.Demo().Controller
	base := credentials.NewStaticCredentialsProvider(who.AccessKeyID, who.SecretKey, "")
	return func(ctx context.Context, a federation.Account, purpose fleet.Purpose) (fleet.IAM, error) {
		role := a.ScanRole
		if purpose == fleet.ToWrite {
			role = a.EnforceRole
		}
		got, err := sts.NewFromConfig(aws.Config{Region: "us-west-2", Credentials: base, HTTPClient: client}).AssumeRole(ctx,
			&sts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("test")})
		if err != nil {
			return nil, err
		}
		c := got.Credentials
		return iam.NewFromConfig(aws.Config{Region: "us-east-1", HTTPClient: client,
			Credentials: credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)}), nil
	}
}

func demoFederation(w *sandbox.World) federation.Federation {
	demo := w.Demo()
	out := federation.Federation{Name: "workforce", Partition: signin.AWS, Regions: demo.Regions,
		Policy: federation.Policy{OwnedBy: federation.OwnedBy{Tags: []string{"managed-by=terraform"}}}}
	for _, a := range demo.Accounts {
		out.Accounts = append(out.Accounts, federation.Account{ID: a.ID, Name: a.Name, Providers: []string{a.Provider}, ScanRole: a.ScanRole, EnforceRole: a.EnforceRole})
	}
	return out
}

// The demo world end to end: what the scan calls not ready is what the world's
// makers meant, apply mends what can be mended, and the rest stays named.
// spec 5.5, 6.1
func TestFleetInTheSandbox(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, a := range w.Cloud().Accounts() {
		a.SetCompactDocuments(true)
	}
	f, err := fleet.New(fleet.Options{Federation: demoFederation(w), Open: opener(w)})
	if err != nil {
		t.Fatal(err)
	}
	west := signin.MustRegion("us-west-2")
	snap := f.Scan(ctx, inventory.Snapshot{})
	var meant, mendable []string
	for _, r := range w.Demo().NotReady() {
		meant = append(meant, r.ARN)
		if r.Mendable {
			mendable = append(mendable, r.ARN)
		}
	}
	if got := named(snap, west); !slices.Equal(got, sorted(meant)) || snap.Share(west).Total != len(w.Demo().Roles) {
		t.Fatalf("not ready: %v\nmeant: %v (%d roles)", got, sorted(meant), snap.Share(west).Total)
	}
	plan, err := f.Plan(ctx, snap)
	if err != nil {
		t.Fatal(err)
	}
	var planned []string
	for _, e := range plan.Edits {
		planned = append(planned, e.Role)
	}
	if !slices.Equal(sorted(planned), sorted(mendable)) || len(plan.Refused) != len(meant)-len(mendable) {
		t.Fatalf("planned %v, refused %v", planned, plan.Refused)
	}
	for _, r := range plan.Refused {
		if !slices.Contains([]finding.Code{finding.TrustOwned, finding.TrustDeletedRef, finding.TrustTooLarge}, r.Code) {
			t.Errorf("refused for another reason: %v", r)
		}
	}
	report, err := f.Apply(ctx, plan, fleet.ApplyOptions{})
	if err != nil || report.Counts[fleet.Written] != len(mendable) || report.Stopped != nil {
		t.Fatalf("%+v %v", report, err)
	}
	if got := named(f.Scan(ctx, snap), west); len(got) != len(meant)-len(mendable) {
		t.Errorf("still not ready: %v", got)
	}
}

func named(s inventory.Snapshot, r signin.Region) []string {
	var out []string
	for _, f := range s.Share(r).NotReady {
		out = append(out, f.Subject)
	}
	return sorted(out)
}

func sorted(in []string) []string {
	slices.Sort(in)
	return in
}

// The scan role of the sandbox, which can only read, suffices for the providers,
// and what the scan sees is what the world's makers put there.
func TestProvidersInTheSandbox(t *testing.T) {
	t.Parallel()
	w, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	f, err := fleet.New(fleet.Options{Federation: demoFederation(w), Open: opener(w)})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range f.Scan(t.Context(), inventory.Snapshot{}).Accounts {
		for _, p := range a.Providers {
			made, ok := w.Cloud().ProviderByARN(p.ARN)
			if !ok || p.Error != nil || p.Issuer != made.Issuer || len(p.Certificates) != 1 || !slices.Equal(p.Certificates[0], made.Certificates[0].Raw) ||
				p.UUID != made.UUID || !p.ValidUntil.Equal(made.ValidUntil) {
				t.Errorf("scanned %+v, made %+v", p, made)
			}
		}
		if len(a.Providers) == 0 {
			t.Errorf("account %s has no provider", a.ID)
		}
	}
}
