package api

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/server/gate"
)

// Missed says that events were left out: they are not kept any more, or the
// controller was started again. Read the state anew.
type Missed struct {
	Next string `json:"next"`
}

// Alive comes in quiet times, so that a connection that is dead is noticed.
type Alive struct {
	At time.Time `json:"at"`
}

// aliveEvery is how often it comes.
const aliveEvery = 15 * time.Second

// spread is how long a stream waits at most when something has happened, each a
// part of it by chance: hundreds of streams that all wake at once would stand
// before the move in the queue for the processor.
const spread = 100 * time.Millisecond

// records are the routes about what has happened.
func (a *API) records() {
	huma.Register(a.huma, operation("audit", http.MethodGet, "/audit", "Records", "The audit record", "Oldest first. Who does not see every federation gets the records about those alone."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
			Federation string    `query:"federation" maxLength:"63" doc:"About this federation only."`
			Action     string    `query:"action" maxLength:"100" doc:"An action, or the part before its dot: move is every move.*."`
			Since      time.Time `query:"since" doc:"From then on, as RFC 3339."`
			Limit      int       `query:"limit" minimum:"0" maximum:"10000" doc:"The newest so many; 100."`
		}) (*answer[control.AuditAnswer], error) {
			return whole(u.Audit(ctx, who, control.AuditRequest{Federation: in.Federation, Action: in.Action, Since: in.Since, Limit: in.Limit}))
		}))
	sse.Register(a.huma, operation("events", http.MethodGet, "/events", "Records", "What happens, as it happens", "Server-sent events: move (progress of a move), decision (a new decision or proposal), missed (events were left out: read the state anew), alive (every 15 s). Ids rise from 1. With Last-Event-ID the stream goes on after that event; without, it begins with what happens next; 0 begins with the oldest event that is kept. The stream ends when the controller stops or takes up another config, and when your credential expires: come again with Last-Event-ID."),
		map[string]any{"move": control.MoveEvent{}, "decision": control.LoopEvent{}, "missed": Missed{}, "alive": Alive{}}, a.events)
}

type eventsInput struct {
	Last string `header:"Last-Event-ID" maxLength:"20" doc:"The id of the last event that you have."`
}

// events streams until the caller hangs up, the server drains, who may see what
// has changed, or the caller's credential has ended: then the caller comes again,
// and is looked at anew.
func (a *API) events(ctx context.Context, in *eventsInput, send sse.Sender) {
	who, last := gate.CallerOf(ctx), -1
	if in.Last != "" {
		n, err := strconv.Atoi(in.Last)
		if err != nil || n < 0 {
			n = 0
		}
		last = n
	}
	if send.Data(Alive{time.Now().UTC()}) != nil {
		return
	}
	beat := time.NewTicker(aliveEvery)
	defer beat.Stop()
	for {
		u, err := a.current()
		if err != nil {
			return // nobody has got an event yet, either
		}
		n := u.News(who, last)
		if n.Missed && send.Data(Missed{"read " + Base + "/federations and " + Base + "/moves"}) != nil {
			return
		}
		for _, e := range n.Events {
			if sendEvent(send, e) != nil {
				return
			}
		}
		last = n.Last
		select {
		case <-n.More:
			select {
			case <-time.After(rand.N(spread)):
			case <-gate.Draining(ctx): // what has happened is sent before the end
			case <-gate.Retired(ctx):
				return
			case <-ctx.Done():
				return
			}
		case <-beat.C:
			if !gate.Still(ctx) || send.Data(Alive{time.Now().UTC()}) != nil {
				return
			}
		case <-gate.Draining(ctx):
			return
		case <-gate.Retired(ctx):
			return
		case <-ctx.Done():
			return
		}
	}
}

func sendEvent(send sse.Sender, e control.FeedEvent) error {
	if e.Move != nil {
		return send(sse.Message{ID: e.ID, Data: *e.Move})
	}
	return send(sse.Message{ID: e.ID, Data: *e.Loop})
}
