package fleet

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

const (
	prod, shared = "111122223333", "444455556666"
	home         = "https://signin.aws.amazon.com/saml"
	standby      = "https://us-west-2.signin.aws.amazon.com/saml"
)

// ends is when the fakes' providers end.
var ends = time.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC)

func provider(account string) string { return "arn:aws:iam::" + account + ":saml-provider/Okta" }

// trust is a policy for Okta with these audiences.
func trust(account string, audiences ...string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%s"},"Action":["sts:AssumeRoleWithSAML","sts:TagSession"],"Condition":{"StringEquals":{"SAML:aud":["%s"]}}}]}`,
		provider(account), strings.Join(audiences, `","`))
}

type fakeRole struct {
	path, trust string
	tags        map[string]string
	next        []string // texts that reads see after a write, before the real one
}

// fakeIAM is one account in memory.
type fakeIAM struct {
	mu     sync.Mutex
	id     string
	names  []string // in listing order
	roles  map[string]*fakeRole
	quota  int32
	raw    bool // documents are not percent-encoded
	calls  map[string]int
	writes []string
	fail   map[string]error               // by operation
	onPut  func(name, text string) string // what is stored for a write; nil: the text

	providers []string          // ARNs in listing order
	documents map[string]string // metadata by provider ARN
	denied    map[string]error  // GetSAMLProvider by provider ARN
	ended     map[string]bool   // by provider ARN
	ids       map[string]string // SAMLProviderUUID by provider ARN, where it is not providerID
	encrypted bool              // every provider requires encrypted assertions
}

// providerID is the id of the fakes' providers.
const providerID = "SAMLSPABCDEFGHIJKLMNOPQ"

func newFake(id string) *fakeIAM {
	return &fakeIAM{id: id, roles: map[string]*fakeRole{}, quota: 2048, calls: map[string]int{}, fail: map[string]error{},
		documents: map[string]string{}, denied: map[string]error{}, ids: map[string]string{}}
}

// trusts adds a SAML provider with a metadata document.
func (f *fakeIAM) trusts(arn, metadata string) {
	f.providers = append(f.providers, arn)
	f.documents[arn] = metadata
}

func (f *fakeIAM) ListSAMLProviders(context.Context, *iam.ListSAMLProvidersInput, ...func(*iam.Options)) (*iam.ListSAMLProvidersOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter("ListSAMLProviders"); err != nil {
		return nil, err
	}
	out := &iam.ListSAMLProvidersOutput{}
	for _, arn := range f.providers {
		out.SAMLProviderList = append(out.SAMLProviderList, types.SAMLProviderListEntry{Arn: aws.String(arn), ValidUntil: aws.Time(ends)})
	}
	return out, nil
}

func (f *fakeIAM) GetSAMLProvider(_ context.Context, in *iam.GetSAMLProviderInput, _ ...func(*iam.Options)) (*iam.GetSAMLProviderOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter("GetSAMLProvider"); err != nil {
		return nil, err
	}
	arn := aws.ToString(in.SAMLProviderArn)
	if err := f.denied[arn]; err != nil {
		return nil, err
	}
	doc, ok := f.documents[arn]
	if !ok {
		return nil, &types.NoSuchEntityException{Message: aws.String("no such provider")}
	}
	mode := types.AssertionEncryptionModeTypeAllowed
	if f.encrypted {
		mode = types.AssertionEncryptionModeTypeRequired
	}
	until := ends
	if f.ended[arn] {
		until = time.Now().Add(-time.Hour)
	}
	return &iam.GetSAMLProviderOutput{SAMLMetadataDocument: aws.String(doc), SAMLProviderUUID: aws.String(cmp.Or(f.ids[arn], providerID)),
		AssertionEncryptionMode: mode, ValidUntil: aws.Time(until)}, nil
}

func (f *fakeIAM) add(path, name, text string) *fakeRole {
	f.names = append(f.names, name)
	f.roles[name] = &fakeRole{path: path, trust: text}
	return f.roles[name]
}

func (f *fakeIAM) arn(name string) string {
	return "arn:aws:iam::" + f.id + ":role" + f.roles[name].path + name
}

func (f *fakeIAM) enter(op string) error {
	f.calls[op]++
	return f.fail[op]
}

func (f *fakeIAM) view(name, text string, tags bool) types.Role {
	r := f.roles[name]
	if !f.raw {
		text = strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	}
	out := types.Role{Arn: aws.String(f.arn(name)), RoleName: aws.String(name), Path: aws.String(r.path), AssumeRolePolicyDocument: aws.String(text)}
	if tags {
		for k, v := range r.tags {
			out.Tags = append(out.Tags, types.Tag{Key: aws.String(k), Value: aws.String(v)})
		}
	}
	return out
}

func (f *fakeIAM) ListRoles(_ context.Context, in *iam.ListRolesInput, _ ...func(*iam.Options)) (*iam.ListRolesOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter("ListRoles"); err != nil {
		return nil, err
	}
	from := 0
	if in.Marker != nil {
		from = slices.Index(f.names, *in.Marker)
	}
	to := min(len(f.names), from+int(aws.ToInt32(in.MaxItems)))
	out := &iam.ListRolesOutput{IsTruncated: to < len(f.names)}
	if out.IsTruncated {
		out.Marker = aws.String(f.names[to])
	}
	for _, n := range f.names[from:to] {
		out.Roles = append(out.Roles, f.view(n, f.roles[n].trust, false))
	}
	return out, nil
}

func (f *fakeIAM) GetRole(ctx context.Context, in *iam.GetRoleInput, _ ...func(*iam.Options)) (*iam.GetRoleOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := f.enter("GetRole"); err != nil {
		return nil, err
	}
	r, ok := f.roles[*in.RoleName]
	if !ok {
		return nil, &types.NoSuchEntityException{Message: aws.String("no such role")}
	}
	text := r.trust
	if len(r.next) > 0 {
		text, r.next = r.next[0], r.next[1:]
	}
	v := f.view(*in.RoleName, text, true)
	return &iam.GetRoleOutput{Role: &v}, nil
}

func (f *fakeIAM) GetAccountSummary(context.Context, *iam.GetAccountSummaryInput, ...func(*iam.Options)) (*iam.GetAccountSummaryOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.enter("GetAccountSummary"); err != nil {
		return nil, err
	}
	return &iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{quotaKey: f.quota}}, nil
}

func (f *fakeIAM) UpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput, _ ...func(*iam.Options)) (*iam.UpdateAssumeRolePolicyOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := f.enter("UpdateAssumeRolePolicy"); err != nil {
		return nil, err
	}
	text := *in.PolicyDocument
	if f.onPut != nil {
		text = f.onPut(*in.RoleName, text)
	}
	f.roles[*in.RoleName].trust = text
	f.writes = append(f.writes, *in.RoleName)
	return &iam.UpdateAssumeRolePolicyOutput{}, nil
}

// written reports whether the role with this ARN has been written.
func (f *fakeIAM) written(arn string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.writes, func(name string) bool { return f.arn(name) == arn })
}

// fixture is a federation of two accounts over fakes.
type fixture struct {
	*Fleet
	prod, shared *fakeIAM
	events       []Progress
}

func setUp(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	fx := &fixture{prod: newFake(prod), shared: newFake(shared)}
	o := Options{Federation: federation.Federation{Name: "workforce", Partition: signin.AWS,
		Regions:  []signin.Region{signin.MustRegion("us-east-1"), signin.MustRegion("us-west-2")},
		Accounts: []federation.Account{{ID: prod, Name: "production", Providers: []string{provider(prod)}}, {ID: shared, Providers: []string{provider(shared)}}},
		Policy:   federation.Policy{OwnedBy: federation.OwnedBy{Names: []string{"tf-*"}, Paths: []string{"/stacks/*"}, Tags: []string{"managed-by=terra*"}}}},
		Open: func(_ context.Context, a federation.Account, _ Purpose) (IAM, error) {
			if a.ID == prod {
				return fx.prod, nil
			}
			return fx.shared, nil
		},
		Progress: func(p Progress) { fx.events = append(fx.events, p) },
	}
	if change != nil {
		change(&o)
	}
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	fx.Fleet = f
	return fx
}

// admits asks the policy that the account holds now.
func (f *fakeIAM) admits(t *testing.T, name, audience string) bool {
	t.Helper()
	p, err := trustpolicy.Parse(f.roles[name].trust)
	if err != nil {
		t.Fatal(err)
	}
	return trustpolicy.Admits(p, trustpolicy.Login{Provider: provider(f.id), Audience: audience, Tags: map[string]string{"k": "v"}}).Verdict == trustpolicy.Allow
}
