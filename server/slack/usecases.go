package slack

import (
	"context"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/people"
)

// UseCases is what a command comes to; *control.Control is one.
type UseCases interface {
	Looking
	Acting
	Deciding
}

// Looking are the use cases that change nothing.
type Looking interface {
	Status(ctx context.Context, actor control.Actor) control.Status
	Plan(ctx context.Context, actor control.Actor, r control.MoveRequest) (control.Decision, error)
	Explain(ctx context.Context, actor control.Actor, federation, region string) (control.Explanation, error)
	History(ctx context.Context, actor control.Actor, r control.HistoryRequest) (control.History, error)
}

// Acting are the use cases that change something.
type Acting interface {
	Move(ctx context.Context, actor control.Actor, r control.MoveRequest, follow func(control.MoveEvent)) (control.MoveAnswer, error)
	Pause(ctx context.Context, actor control.Actor, r control.BrakeRequest) (control.BrakeAnswer, error)
	Resume(ctx context.Context, actor control.Actor, r control.ReleaseRequest) (control.ReleaseAnswer, error)
}

// Deciding are the use cases about proposals.
type Deciding interface {
	Proposals(ctx context.Context, actor control.Actor, r control.ProposalsRequest) (control.ProposalList, error)
	Approve(ctx context.Context, actor control.Actor, r control.VoteRequest, follow func(control.MoveEvent)) (control.VoteAnswer, error)
	Reject(ctx context.Context, actor control.Actor, r control.VoteRequest) (control.VoteAnswer, error)
}

// People finds the person behind a Slack user, who is known by workspace and
// user id together (spec 13.2); *people.Directory is one.
type People interface {
	Slack(team, user string) (people.Caller, bool)
}

// Once remembers what was used, for all controllers together; store.Once is one.
// An error means that nobody knows.
type Once interface {
	First(ctx context.Context, kind, key string, keep time.Duration) (bool, error)
}

// Desk keeps requests between the acknowledgement and their end; *store.Box is
// one. What is put there is durable and encrypted, and only the leader writes.
type Desk interface {
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, keys ...string) error
	All(ctx context.Context) (map[string][]byte, error)
}
