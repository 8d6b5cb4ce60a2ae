package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"golang.org/x/time/rate"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
)

// IAM is what fleet calls of one account's IAM; *iam.Client is one. Retries and
// throttling are the client's business.
type IAM interface {
	ProviderReader
	ListRoles(context.Context, *iam.ListRolesInput, ...func(*iam.Options)) (*iam.ListRolesOutput, error)
	GetRole(context.Context, *iam.GetRoleInput, ...func(*iam.Options)) (*iam.GetRoleOutput, error)
	GetAccountSummary(context.Context, *iam.GetAccountSummaryInput, ...func(*iam.Options)) (*iam.GetAccountSummaryOutput, error)
	UpdateAssumeRolePolicy(context.Context, *iam.UpdateAssumeRolePolicyInput, ...func(*iam.Options)) (*iam.UpdateAssumeRolePolicyOutput, error)
}

// Purpose says what an account is opened for: the two are different AWS roles.
type Purpose string

// The purposes. ToRead uses the account's ScanRole, ToWrite its EnforceRole.
const (
	ToRead  Purpose = "read"
	ToWrite Purpose = "write"
)

// Opener returns the IAM of an account. It is called from several goroutines.
type Opener func(context.Context, federation.Account, Purpose) (IAM, error)

// Options make a Fleet. Federation and Open are required.
type Options struct {
	Federation federation.Federation
	Open       Opener
	Log        *slog.Logger   // nil: nothing is logged
	Progress   func(Progress) // called by one goroutine at a time; nil: no progress
	Parallel   int            // accounts at once; 0 = 8
	Pace       float64        // IAM calls a second in one account, reads and writes together; 0 = as fast as IAM answers
	ReadBack   time.Duration  // how long a write may take to show; 0 = one minute
	// Answers reports whether IAM's control plane answers at all; nil: that is not
	// asked.
	Answers func(context.Context) error
	// Regions says which Regions an account has enabled; nil: that is not asked, and
	// no Region counts as not enabled.
	Regions RegionReader
	// Apps returns the federation's apps as last read: an endpoint that is one
	// provider's alone is taken from there. nil, or none: every sign-in arrives at
	// the plain endpoints.
	Apps func(context.Context) []inventory.AppRead
}

// RegionReader returns the opt-in status of every Region of an account, by code,
// as AWS writes it (AWS Account Management API, RegionOptStatus).
type RegionReader func(context.Context, federation.Account) (map[string]string, error)

// Progress is one step of a long call. Done and Total count accounts while
// scanning, roles otherwise; Total is 0 while it is not known.
type Progress struct {
	Stage   string `json:"stage"` // scan | plan | apply
	Account string `json:"account,omitempty"`
	Role    string `json:"role,omitempty"`
	Done    int    `json:"done"`
	Total   int    `json:"total"`
	Text    string `json:"text"`
}

// Fleet is one federation's roles. Its methods may be called concurrently, but
// two Apply at once would fight over the same documents.
type Fleet struct {
	Options
	everything bool                     // Survey: not only what the federation lists
	mu         sync.Mutex               // serialises Progress, guards turns
	turns      map[string]*rate.Limiter // by account
}

// New checks the options.
func New(o Options) (*Fleet, error) {
	if o.Open == nil || len(o.Federation.Regions) == 0 {
		return nil, fmt.Errorf("make the fleet of federation %q: it needs at least one Region and a way to open accounts", o.Federation.Name)
	}
	return &Fleet{Options: o.filled()}, nil
}

// filled are the options with their defaults.
func (o Options) filled() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Parallel = cmp.Or(max(o.Parallel, 0), 8)
	o.ReadBack = cmp.Or(max(o.ReadBack, 0), time.Minute)
	return o
}

// Survey reads the federation's accounts before it is known what belongs to the
// federation: every SAML provider with its document, and every role that trusts
// one, whatever the accounts list. It needs no Regions and judges no role.
func Survey(ctx context.Context, o Options) ([]inventory.AccountScan, error) {
	if o.Open == nil {
		return nil, errors.New("survey accounts: there is no way to open them")
	}
	f := &Fleet{Options: o.filled(), everything: true}
	return f.Scan(ctx, inventory.Snapshot{}).Accounts, nil
}

func (f *Fleet) progress(p Progress) {
	if f.Progress != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.Progress(p)
	}
}

// eachAccount runs work for the accounts, a few at a time, and waits for all.
func (f *Fleet) eachAccount(work func(i int, a federation.Account)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, f.Parallel)
	for i, a := range f.Federation.Accounts {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			defer func() { <-slots }()
			work(i, a)
		}()
	}
	wg.Wait()
}

// account returns the federation's account with this number.
func (f *Fleet) account(id string) (federation.Account, bool) {
	i := slices.IndexFunc(f.Federation.Accounts, func(a federation.Account) bool { return a.ID == id })
	if i < 0 {
		return federation.Account{}, false
	}
	return f.Federation.Accounts[i], true
}
