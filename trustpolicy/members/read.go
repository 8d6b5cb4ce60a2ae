package members

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/smithy-go"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
)

// Client is what is called of AWS Organizations; *organizations.Client is one.
// Retries and throttling are the client's business.
type Client interface {
	Lister
	DescribeOrganization(context.Context, *organizations.DescribeOrganizationInput, ...func(*organizations.Options)) (*organizations.DescribeOrganizationOutput, error)
	ListTagsForResource(context.Context, *organizations.ListTagsForResourceInput, ...func(*organizations.Options)) (*organizations.ListTagsForResourceOutput, error)
}

// Lister lists accounts and units.
type Lister interface {
	ListAccounts(context.Context, *organizations.ListAccountsInput, ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error)
	ListAccountsForParent(context.Context, *organizations.ListAccountsForParentInput, ...func(*organizations.Options)) (*organizations.ListAccountsForParentOutput, error)
	ListOrganizationalUnitsForParent(context.Context, *organizations.ListOrganizationalUnitsForParentInput, ...func(*organizations.Options)) (*organizations.ListOrganizationalUnitsForParentOutput, error)
}

const (
	// firstWithin bounds each of the two tries of the first call: whether
	// Organizations answers at all has to be known soon. callWithin bounds a later
	// call with all its tries.
	firstWithin = 3 * time.Second
	callWithin  = time.Minute
	// tagsAtOnce is how many accounts are asked for their tags at a time.
	tagsAtOnce = 4
	// active is the state of an account that can be used.
	active = string(types.AccountStateActive)
)

// read lists what a federation chooses of the organization.
func read(ctx context.Context, api Client, o federation.Organization) (inventory.Organization, error) {
	out := inventory.Organization{TakenAt: time.Now().UTC(), Selection: o.Selection()}
	org, err := describe(ctx, api)
	if err != nil {
		return out, fmt.Errorf("describe the organization: %w", err)
	}
	if org.Organization == nil || aws.ToString(org.Organization.MasterAccountId) == "" {
		return out, errors.New("describe the organization: the answer names no management account")
	}
	out.ID, out.Management = aws.ToString(org.Organization.Id), aws.ToString(org.Organization.MasterAccountId)
	r := reader{api: api, found: map[string]inventory.OrganizationAccount{}, seen: map[string]bool{}}
	if len(o.OUs) > 0 {
		for _, id := range o.OUs {
			if err := r.below(ctx, id); err != nil {
				return out, err
			}
		}
	} else if err := r.everyone(ctx); err != nil {
		return out, err
	}
	if len(o.Tags) > 0 {
		if err := r.keepTagged(ctx, o.Tags); err != nil {
			return out, err
		}
	}
	for _, a := range r.found {
		out.Accounts = append(out.Accounts, a)
	}
	slices.SortFunc(out.Accounts, func(a, b inventory.OrganizationAccount) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// describe is the first call. Silence is told after two short tries; throttling is
// waited out.
func describe(ctx context.Context, api Client) (*organizations.DescribeOrganizationOutput, error) {
	try := func(within time.Duration, change ...func(*organizations.Options)) (*organizations.DescribeOrganizationOutput, error) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return api.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{}, change...)
	}
	once := func(o *organizations.Options) { o.Retryer = aws.NopRetryer{} }
	out, err := try(firstWithin, once)
	var said smithy.APIError
	switch {
	case err == nil:
		return out, nil
	case !errors.As(err, &said):
		return try(firstWithin, once)
	case throttled(said):
		return try(callWithin)
	}
	return nil, err
}

func throttled(err smithy.APIError) bool {
	return strings.HasPrefix(err.ErrorCode(), "TooManyRequests") || strings.HasPrefix(err.ErrorCode(), "Throttl")
}

// reader collects accounts.
type reader struct {
	api   Client
	found map[string]inventory.OrganizationAccount
	seen  map[string]bool // units
}

// pages calls one page after the other until there is no token. An empty page is
// no end (AWS Organizations API Reference, ListAccounts).
func pages(ctx context.Context, page func(ctx context.Context, token *string) (next *string, err error)) error {
	var token *string
	for {
		call, cancel := context.WithTimeout(ctx, callWithin)
		next, err := page(call, token)
		cancel()
		switch {
		case err != nil:
			return err
		case aws.ToString(next) == "":
			return nil
		case aws.ToString(next) == aws.ToString(token):
			return errors.New("AWS Organizations announces more and gives no new token")
		}
		token = next
	}
}

func (r reader) take(accounts []types.Account) {
	for _, a := range accounts {
		// Status is what State was called before September 2026.
		r.found[aws.ToString(a.Id)] = inventory.OrganizationAccount{ID: aws.ToString(a.Id), Name: aws.ToString(a.Name), State: cmp.Or(string(a.State), string(a.Status))}
	}
}

// everyone finds every account.
func (r reader) everyone(ctx context.Context) error {
	err := pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		out, err := r.api.ListAccounts(ctx, &organizations.ListAccountsInput{NextToken: token})
		if err != nil {
			return nil, err
		}
		r.take(out.Accounts)
		return out.NextToken, nil
	})
	if err != nil {
		return fmt.Errorf("list the accounts of the organization: %w", err)
	}
	return nil
}

// below finds the accounts of a root or unit, and of the units below it.
func (r reader) below(ctx context.Context, parent string) error {
	if r.seen[parent] {
		return nil
	}
	r.seen[parent] = true
	err := pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		out, err := r.api.ListAccountsForParent(ctx, &organizations.ListAccountsForParentInput{ParentId: &parent, NextToken: token})
		if err != nil {
			return nil, err
		}
		r.take(out.Accounts)
		return out.NextToken, nil
	})
	if err != nil {
		return fmt.Errorf("list the accounts of %s: %w", parent, err)
	}
	var units []string
	err = pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		out, err := r.api.ListOrganizationalUnitsForParent(ctx, &organizations.ListOrganizationalUnitsForParentInput{ParentId: &parent, NextToken: token})
		if err != nil {
			return nil, err
		}
		for _, u := range out.OrganizationalUnits {
			units = append(units, aws.ToString(u.Id))
		}
		return out.NextToken, nil
	})
	if err != nil {
		return fmt.Errorf("list the units of %s: %w", parent, err)
	}
	for _, u := range units {
		if err := r.below(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// keepTagged drops the accounts that have none of the tags. One whose tags
// cannot be read spoils it all: it is not known whether it belongs.
func (r reader) keepTagged(ctx context.Context, tags []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, tagsAtOnce)
	var drop []string
	for id := range r.found {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			has, err := r.tagged(ctx, id, tags)
			if err != nil {
				cancel(fmt.Errorf("list the tags of account %s: %w", id, err))
			}
			mu.Lock()
			defer mu.Unlock()
			if !has {
				drop = append(drop, id)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for _, id := range drop {
		delete(r.found, id)
	}
	return nil
}

func (r reader) tagged(ctx context.Context, id string, tags []string) (has bool, err error) {
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	err = pages(ctx, func(ctx context.Context, token *string) (*string, error) {
		out, err := r.api.ListTagsForResource(ctx, &organizations.ListTagsForResourceInput{ResourceId: &id, NextToken: token})
		if err != nil {
			return nil, err
		}
		for _, t := range out.Tags {
			has = has || slices.Contains(tags, aws.ToString(t.Key)) || slices.Contains(tags, aws.ToString(t.Key)+"="+aws.ToString(t.Value))
		}
		return out.NextToken, nil
	})
	return has, err
}

// remedy is the next step after Organizations could not be read.
func remedy(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "AWS Organizations is reached in one Region only (us-east-1 in partition aws): when that Region is back, or the network there, run: samlfailover trust scan"
	}
	switch code := api.ErrorCode(); {
	case code == "AccessDeniedException":
		return "let organization.role, in the management account or a delegated administrator's, call organizations:DescribeOrganization, ListAccounts, ListAccountsForParent, ListOrganizationalUnitsForParent and ListTagsForResource"
	case code == "ParentNotFoundException":
		return "correct organization.ous in the config: the organization has no such unit"
	case code == "AWSOrganizationsNotInUseException":
		return "name a role in the organization's management account under organization.role"
	case throttled(api):
		return "something else uses up the request rate of AWS Organizations; run the scan again later"
	}
	return "check organization.role, its trust policy and the base credentials, then run: samlfailover trust scan"
}
