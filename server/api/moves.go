package api

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/server/problem"
)

// MoveBody asks for a move.
type MoveBody struct {
	Federation string   `json:"federation,omitempty" maxLength:"63" doc:"May be left out while you see exactly one."`
	To         string   `json:"to,omitempty" maxLength:"64" doc:"The Region to move to, such as us-west-2. Needed." example:"us-west-2"`
	Reason     string   `json:"reason,omitempty" doc:"Why, in words for the record that others will read; at most 1,000 characters. Needed for a move." example:"sign-in in us-east-1 is down"`
	Overrides  []string `json:"overrides,omitempty" maxItems:"32" doc:"Rules to put aside, by name."`
	DryRun     bool     `json:"dry_run,omitempty" doc:"Only say what would happen."`
}

func (b MoveBody) request() control.MoveRequest {
	return control.MoveRequest{Federation: b.Federation, To: b.To, Reason: b.Reason, Overrides: b.Overrides, DryRun: b.DryRun}
}

// UndoBody asks to take a move back.
type UndoBody struct {
	Federation string   `json:"federation,omitempty" maxLength:"63" doc:"Whose newest move is taken back, where none is FederationPath."`
	Reason     string   `json:"reason,omitempty" doc:"Why, in words for the record that others will read. Needed but for a dry run."`
	Overrides  []string `json:"overrides,omitempty" maxItems:"32" doc:"Rules to put aside, by name."`
	DryRun     bool     `json:"dry_run,omitempty" doc:"Only show, app by app, what would change."`
}

// MoveState says how far an accepted request is.
type MoveState string

// The states.
const (
	MoveRunning MoveState = "running"
	MoveDone    MoveState = "done"    // result says how it ended
	MoveNothing MoveState = "nothing" // every app is in place already
	MovePlanned MoveState = "planned" // a dry run
	MoveAsked   MoveState = "asked"   // other people have to approve it first: see proposal
)

// MoveStanding is what became of a request so far.
type MoveStanding struct {
	State    MoveState             `json:"state" enum:"running,done,nothing,planned,asked"`
	Move     string                `json:"move,omitempty" doc:"The move's id, once it has begun."`
	Decision *control.Decision     `json:"decision,omitempty" doc:"What the rules said."`
	Result   *control.MoveResult   `json:"result,omitempty" doc:"How the move ended."`
	Preview  []control.UndoPreview `json:"preview,omitempty" doc:"What an undo would change, for a dry run."`
	Proposal *control.Proposal     `json:"proposal,omitempty" doc:"What other people have to approve first."`
}

// moveAnswer is 200 when it is over and 202 while it goes on; Location leads to
// the move.
type moveAnswer struct {
	Status   int
	Location string `header:"Location"`
	Body     MoveStanding
}

// Wait is how long a request may wait for its end.
type Wait struct {
	Wait string `query:"wait" maxLength:"20" doc:"How long to wait for the move's end, at most 60s; absent, the answer comes as soon as it has begun." example:"30s"`
}

// longestWait bounds it: proxies give up on a silent connection after a minute.
const longestWait = time.Minute

func (w Wait) duration() (time.Duration, error) {
	if w.Wait == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(w.Wait)
	if err != nil || d < 0 || d > longestWait {
		p := problem.New(problem.Invalid, http.StatusUnprocessableEntity, "wait must be a time from 0s to 60s", "write wait=30s")
		p.Kind, p.Fields = string(control.Invalid), []problem.Fault{{Field: "query.wait", Message: p.Detail}}
		return 0, p
	}
	return d, nil
}

// moves are the routes about plans and moves.
func (a *API) moves() {
	huma.Register(a.huma, operation("plan", http.MethodPost, "/plan", "Move", "What a move would do", "The decision about a move with its plan, app by app, before and after. It changes nothing and asks nobody outside.", 400, 413, 415),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *answer[MoveBody]) (*answer[control.Decision], error) {
			return whole(u.Plan(ctx, who, in.Body.request()))
		}))
	move := operation("create-move", http.MethodPost, "/moves", "Move", "Move a federation", "Points every app of a federation at another Region. 202 while the move runs, with its Location, and where other people have to approve it first (state asked), with the proposal's; 409 when a rule holds it, 503 when it cannot begin within half a minute. It goes on when you hang up.", 400, 413, 415)
	move.Responses = accepted[MoveStanding](a, "The move is on its way.")
	huma.Register(a.huma, move, ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
		Wait
		Body MoveBody
	}) (*moveAnswer, error) {
		r := in.Body.request()
		return a.follow(ctx, in.Wait, r.DryRun, func(ctx context.Context, tell func(control.MoveEvent)) (control.MoveAnswer, error) {
			return u.Move(ctx, who, r, tell)
		})
	}))
	huma.Register(a.huma, operation("list-moves", http.MethodGet, "/moves", "Move", "Moves, newest first", "Open and past moves; those without a result have not ended."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
			Federation string `query:"federation" maxLength:"63" doc:"Of this federation only."`
			Limit      int    `query:"limit" minimum:"0" maximum:"1000" doc:"At most so many; 20."`
		}) (*answer[control.History], error) {
			return whole(u.History(ctx, who, control.HistoryRequest{Federation: in.Federation, Limit: in.Limit}))
		}))
	huma.Register(a.huma, operation("show-move", http.MethodGet, "/moves/{move}", "Move", "One move", "As the journal has it, with what somebody still has to do by hand. A move without a result has not ended."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
			Move string `path:"move" maxLength:"100" doc:"The move's id."`
		}) (*answer[control.PastMove], error) {
			h, err := u.History(ctx, who, control.HistoryRequest{Move: in.Move})
			if err != nil {
				return nil, err
			}
			return whole(h.Moves[0], nil)
		}))
	undo := operation("undo-move", http.MethodPost, "/moves/{move}/undo", "Move", "Take a move back", "Inverts what the move wrote, where nobody has changed it since. The id latest stands for the newest move of the federation in the body.", 400, 413, 415)
	undo.Responses = accepted[MoveStanding](a, "The undo is on its way.")
	huma.Register(a.huma, undo, ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
		Wait
		Move string `path:"move" maxLength:"100" doc:"The move's id, or latest."`
		Body UndoBody
	}) (*moveAnswer, error) {
		r := control.UndoRequest{Federation: in.Body.Federation, Move: in.Move, Reason: in.Body.Reason, Overrides: in.Body.Overrides, DryRun: in.Body.DryRun}
		if r.Move == "latest" {
			r.Move = ""
		}
		return a.follow(ctx, in.Wait, r.DryRun, func(ctx context.Context, tell func(control.MoveEvent)) (control.MoveAnswer, error) {
			return u.Undo(ctx, who, r, tell)
		})
	}))
}

// accepted describes the answer 202.
func accepted[Body any](a *API, what string) map[string]*huma.Response {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Body](), true, "")
	return map[string]*huma.Response{"202": {Description: what, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}},
		Headers: map[string]*huma.Header{"Location": {Description: "Where the move, or the proposal, is shown.", Schema: &huma.Schema{Type: "string"}}}}}
}

// acting is a use case that moves apps.
type acting func(ctx context.Context, tell func(control.MoveEvent)) (control.MoveAnswer, error)

// beginTime is how long a request without an answer waits for its move to begin.
const beginTime = 30 * time.Second

// notBegun is the problem of a move that was asked for and may still begin. It is
// not acknowledged: a move is in the journal from its beginning on, and before
// that it would end with the controller.
func notBegun() *problem.Problem {
	return problem.New(problem.NotBegun, http.StatusServiceUnavailable, "the move has not begun yet: the controller is busy with something else, or it is being stopped. It may still begin, and if the controller stops before, it will not",
		"look at "+Base+"/moves in a moment, and ask again if nothing has begun").With("Retry-After", "15")
}

// follow starts a move and answers when it is over, or when the caller has
// waited long enough and it has begun; NotBegun if it has not for too long.
// The move does not end with the request.
func (a *API) follow(ctx context.Context, w Wait, dry bool, act acting) (*moveAnswer, error) {
	wait, err := w.duration()
	if err != nil {
		return nil, err
	}
	type end struct {
		answer control.MoveAnswer
		err    error
	}
	ended, begun := make(chan end, 1), make(chan string, 1)
	a.moving.Add(1)
	go func() {
		defer a.moving.Done()
		answer, err := act(a.ctx, func(e control.MoveEvent) {
			if e.Move != "" {
				select {
				case begun <- string(e.Move):
				default: // known already
				}
			}
		})
		ended <- end{answer, err}
	}()
	enough, late := time.NewTimer(wait), time.NewTimer(max(wait, beginTime))
	defer enough.Stop()
	defer late.Stop()
	id, waited := "", false
	for {
		select {
		case e := <-ended:
			if e.err != nil {
				return nil, e.err
			}
			return over(e.answer, dry)
		case got := <-begun:
			if id = got; waited {
				return underWay(id)
			}
		case <-enough.C:
			if waited = true; id != "" {
				return underWay(id)
			}
		case <-late.C:
			return underWay(id)
		case <-gate.Draining(ctx):
			return underWay(id)
		}
	}
}

// over is the answer about a request that has ended.
func over(m control.MoveAnswer, dry bool) (*moveAnswer, error) {
	out := &moveAnswer{Status: http.StatusOK, Body: MoveStanding{State: MoveDone, Decision: &m.Decision, Result: m.Result, Preview: m.Preview}}
	switch {
	case m.Proposal != nil:
		return &moveAnswer{Status: http.StatusAccepted, Location: Base + "/proposals/" + m.Proposal.ID,
			Body: MoveStanding{State: MoveAsked, Decision: &m.Decision, Proposal: m.Proposal}}, nil
	case dry:
		out.Body.State = MovePlanned
	case m.Result != nil:
		out.Body.Move = string(m.Result.ID)
		out.Location = Base + "/moves/" + out.Body.Move
	case control.NothingToMove(m.Decision):
		out.Body.State = MoveNothing
	default:
		return nil, refusedBy(m.Decision)
	}
	return out, nil
}

// underWay is the answer about one that goes on.
func underWay(id string) (*moveAnswer, error) {
	if id == "" {
		return nil, notBegun()
	}
	return &moveAnswer{Status: http.StatusAccepted, Location: Base + "/moves/" + id, Body: MoveStanding{State: MoveRunning, Move: id}}, nil
}
