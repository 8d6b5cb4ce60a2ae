package fleet

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"golang.org/x/time/rate"

	"github.com/samlfailover/samlfailover/federation"
)

// dial opens an account at the fleet's pace, which reads and writes share: IAM
// counts the calls of an account, whoever makes them.
func (f *Fleet) dial(ctx context.Context, a federation.Account, purpose Purpose) (IAM, error) {
	api, err := f.Open(ctx, a, purpose)
	if err != nil || f.Pace <= 0 {
		return api, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	turn := f.turns[a.ID]
	if turn == nil {
		if f.turns == nil {
			f.turns = map[string]*rate.Limiter{}
		}
		turn = rate.NewLimiter(rate.Limit(f.Pace), max(readAndWrite, int(f.Pace)))
		f.turns[a.ID] = turn
	}
	return paced{api, turn}, nil
}

// paced is an account's IAM that is called no faster than allowed.
type paced struct {
	IAM
	turn *rate.Limiter
}

// readAndWrite are the calls between which nobody must wait: what is edited in
// such a wait would be written over.
const readAndWrite = 2

// prepaid are turns that were waited for beforehand.
type prepaid struct{ left atomic.Int64 }

type prepaidKey struct{}

// together waits for the turns of a read and the write after it, so that neither
// waits any more; the calls are made with the context that it returns.
func together(ctx context.Context, api IAM) (context.Context, error) {
	p, ok := api.(paced)
	if !ok {
		return ctx, nil
	}
	if err := p.turn.WaitN(ctx, readAndWrite); err != nil {
		return ctx, fmt.Errorf("wait for a turn at the account's IAM: %w", err)
	}
	paid := &prepaid{}
	paid.left.Store(readAndWrite)
	return context.WithValue(ctx, prepaidKey{}, paid), nil
}

func at[I, O any](ctx context.Context, p paced, call func(context.Context, I, ...func(*iam.Options)) (O, error), in I, how []func(*iam.Options)) (O, error) {
	if paid, ok := ctx.Value(prepaidKey{}).(*prepaid); ok && paid.left.Add(-1) >= 0 {
		return call(ctx, in, how...)
	}
	if err := p.turn.Wait(ctx); err != nil {
		var none O
		return none, fmt.Errorf("wait for a turn at the account's IAM: %w", err)
	}
	return call(ctx, in, how...)
}

func (p paced) ListSAMLProviders(ctx context.Context, in *iam.ListSAMLProvidersInput, how ...func(*iam.Options)) (*iam.ListSAMLProvidersOutput, error) {
	return at(ctx, p, p.IAM.ListSAMLProviders, in, how)
}

func (p paced) GetSAMLProvider(ctx context.Context, in *iam.GetSAMLProviderInput, how ...func(*iam.Options)) (*iam.GetSAMLProviderOutput, error) {
	return at(ctx, p, p.IAM.GetSAMLProvider, in, how)
}

func (p paced) ListRoles(ctx context.Context, in *iam.ListRolesInput, how ...func(*iam.Options)) (*iam.ListRolesOutput, error) {
	return at(ctx, p, p.IAM.ListRoles, in, how)
}

func (p paced) GetRole(ctx context.Context, in *iam.GetRoleInput, how ...func(*iam.Options)) (*iam.GetRoleOutput, error) {
	return at(ctx, p, p.IAM.GetRole, in, how)
}

func (p paced) GetAccountSummary(ctx context.Context, in *iam.GetAccountSummaryInput, how ...func(*iam.Options)) (*iam.GetAccountSummaryOutput, error) {
	return at(ctx, p, p.IAM.GetAccountSummary, in, how)
}

func (p paced) UpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput, how ...func(*iam.Options)) (*iam.UpdateAssumeRolePolicyOutput, error) {
	return at(ctx, p, p.IAM.UpdateAssumeRolePolicy, in, how)
}
