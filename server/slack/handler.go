package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/server/problem"
)

const (
	// maxBody bounds a request: a click brings its whole message along, of 50
	// blocks at most.
	maxBody = 512 << 10
	// ackWithin is how long a request may take before it is acknowledged. Slack
	// waits for 3 s.
	ackWithin = 2 * time.Second
	// remembered is how long a request cannot be sent again. Its timestamp alone
	// is good for twice the window.
	remembered = time.Hour
	// doubleClick is how long a second click on the same button means the first.
	doubleClick = 10 * time.Second
)

// Handler returns the routes that Slack calls: POST /commands for the slash
// command and POST /actions for buttons, and POST / for both.
func (a *App) Handler() http.Handler {
	r := chi.NewRouter()
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, problem.New(problem.NoRoute, http.StatusNotFound, "Slack has no such route here", "the Slack app has /slack/commands and /slack/actions, or /slack for both; see docs/slack.md"))
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, problem.New(problem.NoRoute, http.StatusMethodNotAllowed, "Slack's routes take POST only", "send a POST").With("Allow", http.MethodPost))
	})
	r.Post("/", func(w http.ResponseWriter, r *http.Request) { a.take(w, r, sent) })
	r.Post("/commands", func(w http.ResponseWriter, r *http.Request) { a.take(w, r, typed) })
	r.Post("/actions", func(w http.ResponseWriter, r *http.Request) { a.take(w, r, clicked) })
	return r
}

// take checks a request of Slack, in this order: form, signature and time,
// content, workspace and channel, person, command, and whether it is new.
func (a *App) take(w http.ResponseWriter, hr *http.Request, read func([]byte) (request, error)) {
	ctx, cancel := context.WithTimeout(hr.Context(), ackWithin)
	defer cancel()
	if a.use.Load() == nil {
		refuse(w, problem.New(problem.NotStarted, http.StatusServiceUnavailable, "the controller has just been started", "ask again in a moment").With("Retry-After", "5"))
		return
	}
	body, ok := bodyOf(w, hr)
	if !ok {
		return
	}
	came, err := verify(a.o.Signing, time.Now(), hr.Header, body)
	if err != nil {
		a.o.Log.Warn("a request that claims to be Slack's was refused", "from", escape.Terminal(hr.RemoteAddr), "why", err.Error())
		refuse(w, problem.New(problem.BadCredential, http.StatusUnauthorized, "not signed by Slack: "+err.Error(), "compare slack.signing_secret with the app's Basic Information page, and this machine's clock"))
		return
	}
	r, err := read(body)
	switch {
	case errors.Is(err, errCheck), errors.Is(err, errOther):
		w.WriteHeader(http.StatusOK)
		return
	case err != nil:
		a.o.Log.Warn("a request of Slack was refused", "why", escape.Terminal(err.Error()))
		refuse(w, problem.New(problem.Unreadable, http.StatusBadRequest, "not a request of this app, and nothing was done: "+err.Error(), "compare the Slack app's request URLs with docs/slack.md"))
		return
	}
	r.came = came
	actor, no := a.admit(r)
	if no != "" {
		a.o.Log.Warn("a request of Slack was refused", append(r.who(), "why", no)...)
		a.reply(w, r, line("%s", no))
		return
	}
	c, err := r.read()
	if err != nil {
		a.reply(w, r, refusal(err))
		return
	}
	if acts(c.verb) {
		a.keep(ctx, w, hr, r, c)
		return
	}
	// A look that is looked at twice harms nobody, and is worth more than the
	// memory while the store is down.
	if first, err := a.o.Once.First(ctx, "slack", r.key, remembered); err == nil && !first {
		a.again(w, hr, r)
		return
	}
	m, err := a.look(ctx, actor, r, c)
	if err != nil {
		m = refusal(err)
	}
	a.reply(w, r, m)
}

// bodyOf reads the raw body of a form.
func bodyOf(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		refuse(w, problem.New(problem.Unreadable, http.StatusUnsupportedMediaType, "the body is not a form", "send application/x-www-form-urlencoded, as Slack does"))
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, problem.New(problem.TooLarge, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxBody), "type less"))
		return nil, false
	case err != nil:
		refuse(w, problem.New(problem.Unreadable, http.StatusBadRequest, "the body did not arrive whole", "send it again"))
		return nil, false
	}
	return body, true
}

// admit finds the person behind a request (spec 13.2), or says to that person
// why there is none; "" is no refusal.
func (a *App) admit(r request) (who people.Caller, refused string) {
	switch {
	case !slices.Contains(a.o.Teams, r.team):
		return people.Caller{}, fmt.Sprintf("Nothing was done: requests of this workspace (%s) are not taken here; next: have its id added to slack.teams in the config", r.team)
	case !slices.Contains(a.o.Channels, r.channel):
		return people.Caller{}, fmt.Sprintf("Nothing was done: requests in this channel (%s) are not taken here; next: ask in a channel of slack.channels, or have this one added to it", r.channel)
	}
	who, ok := a.o.People.Slack(r.team, r.user)
	if !ok {
		return people.Caller{}, fmt.Sprintf("Nothing was done: your Slack user (workspace %s, user %s) belongs to nobody in the config; next: have it added to you under people", r.team, r.user)
	}
	return who, ""
}

// keep puts a request that changes something on the desk, once, and
// acknowledges it.
func (a *App) keep(ctx context.Context, w http.ResponseWriter, hr *http.Request, r request, c command) {
	desk := a.seat()
	if desk == nil {
		a.reply(w, r, line("Nothing was done: %s. Only the leader takes requests that change something; ask again once Slack's request URL leads to it (docs/slack.md), or use the command line on its machine.", a.leads(ctx, r)))
		return
	}
	first, err := a.o.Once.First(ctx, "slack", r.key, remembered)
	if err == nil && first && r.click != nil {
		if first, err = a.o.Once.First(ctx, "slack-click", strings.Join([]string{r.team, r.user, r.click.Message, r.click.Action, r.click.ID}, " "), doubleClick); err == nil && !first {
			w.WriteHeader(http.StatusOK) // the second half of a double click
			return
		}
	}
	switch {
	case err != nil:
		a.o.Log.Error("a request of Slack was not taken: it cannot be told whether it is new", append(r.who(), "error", err)...)
		a.reply(w, r, line("Nothing was done: it cannot be told now whether this request is new, because the store does not answer; next: samlfailover store status, and use the command line meanwhile"))
		return
	case !first:
		a.again(w, hr, r)
		return
	}
	if err := desk.Put(ctx, r.key, r.keep()); err != nil {
		a.o.Log.Error("a request of Slack could not be kept", append(r.who(), "error", err)...)
		a.reply(w, r, line("This request could perhaps not be kept, so it may not be done: look at %s status before you ask again, or use the command line", named(r.command)))
		return
	}
	a.o.Log.Info("a request of Slack was taken", append(r.who(), "verb", c.verb)...)
	a.rouse()
	if r.click != nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	a.reply(w, r, line("Taken: %s. What becomes of it is told when it is known.", c.verb))
}

// named is the slash command as Slack called it.
func named(command string) string {
	if command == "" {
		return "/samlfailover"
	}
	return command
}

// leads says who leads, for somebody who asked a controller that does not.
func (a *App) leads(ctx context.Context, r request) string {
	who, _ := a.o.People.Slack(r.team, r.user)
	if s := a.uses().Status(ctx, who); s.Store != nil {
		return s.Store.Standing.Words()
	}
	return "this controller does not lead now"
}

// again answers a request that was seen before. Slack says of its own second
// try that it is one; anything else is somebody who has kept a request.
func (a *App) again(w http.ResponseWriter, hr *http.Request, r request) {
	if hr.Header.Get(retryHeader) != "" {
		w.WriteHeader(http.StatusOK)
		return
	}
	a.o.Log.Warn("a request of Slack was sent again, and nothing was done", r.who()...)
	refuse(w, problem.New(problem.Replayed, http.StatusConflict, "this request was taken already, and each is taken once", "type the command again if it is still wanted"))
}

// reply answers who asked, for nobody else to see: at once for a command, after
// the acknowledgement for a click, whose answer Slack does not show.
func (a *App) reply(w http.ResponseWriter, r request, m message) {
	if r.click != nil {
		w.WriteHeader(http.StatusOK)
		a.soon(func(ctx context.Context) { a.tell(ctx, r, m) })
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(encode(reply{message: m, Type: "ephemeral"})) // Slack may be gone
}

// tell answers who asked through the response_url, for nobody else to see.
func (a *App) tell(ctx context.Context, r request, m message) {
	no := false
	if err := a.wire.respond(ctx, r.answer, reply{message: m, Type: "ephemeral", Replace: &no}); err != nil && ctx.Err() == nil {
		a.o.Log.Warn("an answer could not be given through Slack", append(r.who(), "error", err)...)
	}
}

// look answers a command that changes nothing.
func (a *App) look(ctx context.Context, actor control.Actor, r request, c command) (message, error) {
	u := a.uses()
	switch c.verb {
	case verbHelp:
		return helpPage(r.command, c.about), nil
	case verbStatus:
		return statusPage(u.Status(ctx, actor), c.federation)
	case verbHealth:
		return healthPage(u.Status(ctx, actor), c.federation, c.region)
	case verbReadiness:
		return readinessPage(u.Status(ctx, actor), c.federation, c.region)
	case verbPlan:
		d, err := u.Plan(ctx, actor, control.MoveRequest{Federation: c.federation, To: c.region})
		return planPage(d), err
	case verbExplain:
		e, err := u.Explain(ctx, actor, c.federation, c.region)
		return explainPage(e), err
	case verbHistory:
		h, err := u.History(ctx, actor, control.HistoryRequest{Federation: c.federation, Move: c.id, Limit: c.count})
		return historyPage(h, time.Now()), err
	case verbProposals:
		l, err := u.Proposals(ctx, actor, control.ProposalsRequest{Federation: c.federation, ID: c.id})
		return proposalsPage(l), err
	}
	return message{}, fmt.Errorf("%s has no answer", c.verb)
}

// refuse answers a request that is no good (RFC 9457).
func refuse(w http.ResponseWriter, p *problem.Problem) {
	p.Detail = escape.Terminal(p.Detail)
	p.Request = w.Header().Get(gate.RequestHeader)
	p.Write(w)
}
