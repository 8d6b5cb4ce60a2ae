package otheradmin_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/aws/naivepolicy"
	"github.com/samlfailover/samlfailover/sandbox/aws/otheradmin"
)

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:saml-provider/Okta"},"Action":"sts:AssumeRoleWithSAML","Condition":{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}}]}`

// hour is what an administrator does in an hour of a small world.
func hour(t *testing.T, seed uint64) []otheradmin.Edit {
	t.Helper()
	var out []otheradmin.Edit
	synctest.Test(t, func(t *testing.T) {
		c := aws.New()
		acc := c.AddAccount("123456789012", "prod")
		for _, r := range []aws.Role{{Name: "a", Trust: trust}, {Name: "b", Trust: trust}, {Name: "c", Path: "/aws-reserved/sso.amazonaws.com/", Trust: trust},
			{Name: "d", Trust: strings.ReplaceAll(strings.ReplaceAll(trust, "Federated", "Service"), "arn:aws:iam::123456789012:saml-provider/Okta", "ec2.amazonaws.com")}} {
			if err := acc.PutRole(r); err != nil {
				t.Fatal(err)
			}
		}
		a := otheradmin.New(otheradmin.Options{Cloud: c.Cloud, Every: time.Minute, Seed: seed})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		a.Run(ctx)
		out = a.Edits()
		for _, name := range []string{"a", "b"} {
			r, _ := acc.Role(name)
			last := out[slices.IndexFunc(out, func(e otheradmin.Edit) bool { return e.Role == name && e.After == r.Trust })]
			got := naivepolicy.Decide(r.Trust, naivepolicy.Request{Action: "sts:AssumeRoleWithSAML", Keys: map[string][]string{"saml:aud": {"https://signin.aws.amazon.com/saml"}},
				Caller: naivepolicy.Caller{Kind: "Federated", Names: []string{"arn:aws:iam::123456789012:saml-provider/Okta"}}})
			if !got.Allowed || !strings.Contains(r.Trust, last.Mark) || strings.Count(r.Trust, "sts:AssumeRole\"") != 1 {
				t.Errorf("%s: %s", name, r.Trust)
			}
		}
	})
	return out
}

// The edits keep people's sign-ins, leave AWS's own and other roles alone, come
// at about the rate that was asked for, and repeat with the seed.
func TestAdmin(t *testing.T) {
	t.Parallel()
	first, again, other := hour(t, 1), hour(t, 1), hour(t, 2)
	if len(first) < 45 || len(first) > 80 {
		t.Errorf("%d edits in an hour", len(first))
	}
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Error("the seed decides nothing, or not everything")
	}
	for _, e := range first {
		if e.Role == "c" || e.Role == "d" || e.Before == e.After || !strings.Contains(e.After, e.Mark) || strings.Contains(e.Before, e.Mark+`"`) {
			t.Errorf("%+v", e)
		}
	}
}
