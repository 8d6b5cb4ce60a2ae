package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/smithy-go"

	"github.com/samlfailover/samlfailover/sandbox/aws"
)

const orgHost = "organizations.us-east-1.amazonaws.com"

// orgClient calls Organizations with a key of an account.
func (w *testWorld) orgClient(account *aws.Account, key, region string, allow ...string) *organizations.Client {
	account.AddAccessKey("org", key, secret, allow)
	return organizations.NewFromConfig(sdk.Config{Region: region, HTTPClient: &http.Client{Transport: w},
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")}, func(o *organizations.Options) { o.Retryer = sdk.NopRetryer{} })
}

// orgWorld has an organization that the world's account manages: the root holds
// 2 accounts, Workloads 61 more, Production below it one.
func orgWorld(t *testing.T) (w *testWorld, org *aws.Organization, workloads string) {
	t.Helper()
	w = newWorld(t)
	org = w.AddOrganization(w.account)
	workloads = org.AddUnit(org.Root(), "Workloads")
	production := org.AddUnit(workloads, "Production")
	org.AddMember(aws.Member{ID: "200000000000", Name: "root dweller", State: "SUSPENDED"})
	for i := range 61 {
		org.AddMember(aws.Member{ID: fmt.Sprintf("3000000000%02d", i), Name: fmt.Sprint("w", i), Parent: workloads, Tags: map[string]string{"n": fmt.Sprint(i)}})
	}
	org.AddMember(aws.Member{ID: "400000000000", Name: "deep", Parent: production})
	return w, org, workloads
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestOrganizationsPageByPage(t *testing.T) {
	t.Parallel()
	w, org, workloads := orgWorld(t)
	c := w.orgClient(w.account, "AKIAORG", "us-west-2", "organizations:*") // any Region leads to the one host
	for _, empty := range []bool{false, true} {
		org.SetEmptyPages(empty)
		var sizes []int
		seen := map[string]bool{}
		p := organizations.NewListAccountsForParentPaginator(c, &organizations.ListAccountsForParentInput{ParentId: sdk.String(workloads)})
		for p.HasMorePages() {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, len(out.Accounts))
			for _, a := range out.Accounts {
				seen[*a.Id] = true
				if a.State != types.AccountStateActive || a.Status != "" || !strings.HasSuffix(*a.Arn, ":account/"+org.ID()+"/"+*a.Id) {
					t.Errorf("%+v", a)
				}
			}
		}
		want := []int{20, 20, 20, 1}
		if empty {
			want = []int{0, 20, 0, 20, 0, 20, 0, 1}
		}
		if !slices.Equal(sizes, want) || len(seen) != 61 || seen["400000000000"] {
			t.Errorf("pages of %v, %d accounts", sizes, len(seen))
		}
	}
	org.SetEmptyPages(false)
	all := 0
	for p := organizations.NewListAccountsPaginator(c, &organizations.ListAccountsInput{MaxResults: sdk.Int32(7)}); p.HasMorePages(); {
		out, err := p.NextPage(t.Context())
		if err != nil || len(out.Accounts) > 7 {
			t.Fatal(err, len(out.Accounts))
		}
		all += len(out.Accounts)
	}
	units, err := c.ListOrganizationalUnitsForParent(t.Context(), &organizations.ListOrganizationalUnitsForParentInput{ParentId: sdk.String(workloads)})
	if err != nil || all != 64 || len(units.OrganizationalUnits) != 1 || *units.OrganizationalUnits[0].Name != "Production" {
		t.Errorf("%d accounts, units %+v, %v", all, units, err)
	}
	roots, err := c.ListRoots(t.Context(), &organizations.ListRootsInput{})
	if err != nil || len(roots.Roots) != 1 || *roots.Roots[0].Id != org.Root() {
		t.Errorf("%+v %v", roots, err)
	}
	tags, err := c.ListTagsForResource(t.Context(), &organizations.ListTagsForResourceInput{ResourceId: sdk.String("300000000007")})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Value != "7" {
		t.Errorf("%+v %v", tags, err)
	}
	d, err := c.DescribeOrganization(t.Context(), &organizations.DescribeOrganizationInput{})
	if err != nil || *d.Organization.MasterAccountId != account {
		t.Errorf("%+v %v", d, err)
	}
}

func TestOrganizationsRefuses(t *testing.T) {
	t.Parallel()
	w, org, workloads := orgWorld(t)
	member := w.AddAccount("300000000001", "member")
	boss := w.orgClient(w.account, "AKIABOSS", "us-east-1", "organizations:*")
	other := w.orgClient(member, "AKIAMEMBER", "us-east-1", "organizations:*")
	helper := w.orgClient(w.AddAccount("300000000002", "delegate"), "AKIADELEGATE", "us-east-1", "organizations:*")
	org.Delegate("300000000002")
	stranger := w.orgClient(w.AddAccount("900000000000", "stranger"), "AKIASTRANGER", "us-east-1", "organizations:*")
	weak := w.orgClient(w.account, "AKIAWEAK", "us-east-1", "iam:*")
	forged := organizations.NewFromConfig(sdk.Config{Region: "us-east-1", HTTPClient: &http.Client{Transport: w},
		Credentials: credentials.NewStaticCredentialsProvider("AKIABOSS", "wrong", "")})
	page, err := boss.ListAccounts(t.Context(), &organizations.ListAccountsInput{})
	if err != nil {
		t.Fatal(err)
	}
	list := func(c *organizations.Client) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.ListAccounts(ctx, &organizations.ListAccountsInput{})
			return err
		}
	}
	parent := func(id string, token *string, most *int32) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := boss.ListAccountsForParent(ctx, &organizations.ListAccountsForParentInput{ParentId: sdk.String(id), NextToken: token, MaxResults: most})
			return err
		}
	}
	tags := func(id string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := boss.ListTagsForResource(ctx, &organizations.ListTagsForResourceInput{ResourceId: sdk.String(id)})
			return err
		}
	}
	for _, row := range []struct {
		name string
		call func(context.Context) error
		code string
	}{
		{"the management account", list(boss), ""},
		{"a delegated administrator", list(helper), ""},
		{"a member account", list(other), "AccessDeniedException"},
		{"a caller without the permission", list(weak), "AccessDeniedException"},
		{"an account of no organization", list(stranger), "AWSOrganizationsNotInUseException"},
		{"a wrong secret", list(forged), "InvalidSignatureException"},
		{"a member may describe", func(ctx context.Context) error {
			_, err := other.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
			return err
		}, ""},
		{"no such unit", parent("ou-"+org.Root()[2:]+"-00000000", nil, nil), "ParentNotFoundException"},
		{"not the id of a unit", parent("300000000001", nil, nil), "InvalidInputException"},
		{"the token of another listing", parent(workloads, page.NextToken, nil), "InvalidInputException"},
		{"a made-up token", parent(workloads, sdk.String("!"), nil), "InvalidInputException"},
		{"more than a page", parent(workloads, nil, sdk.Int32(21)), "InvalidInputException"},
		{"tags of nobody", tags("100000000000"), "TargetNotFoundException"},
		{"tags of the root", tags(org.Root()), ""},
		{"a write", func(ctx context.Context) error {
			_, err := boss.CloseAccount(ctx, &organizations.CloseAccountInput{AccountId: sdk.String("300000000001")})
			return err
		}, "UnknownOperationException"},
	} {
		if err := row.call(t.Context()); (err == nil) != (row.code == "") || err != nil && codeOf(err) != row.code {
			t.Errorf("%s: %v, want %q", row.name, err, row.code)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"unsigned":            func(*http.Request) {},
		"not of the protocol": func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		"another service":     func(r *http.Request) { r.Header.Set("X-Amz-Target", "Other.ListAccounts") },
	} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+orgHost+"/", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", "AWSOrganizationsV20161128.ListAccounts")
		change(r)
		if a := w.do(t, r); a.StatusCode < 400 || !strings.Contains(a.text, `"__type":`) || strings.Contains(a.text, "3000000000") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.text)
		}
	}
}
