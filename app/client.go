package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/server"
	"github.com/samlfailover/samlfailover/server/api"
	"github.com/samlfailover/samlfailover/server/problem"
)

// ErrNoController: nobody answers on the data folder's socket.
var ErrNoController = errors.New("no controller is running on this config's data folder")

// Client speaks to a running controller, over its local socket or the network,
// with the same use cases as control. Safe for concurrent use.
type Client struct {
	http  *http.Client
	base  string // what stands before the routes
	token secret.Value
	local bool
}

// TokenVariable is the environment variable with the token for a controller on
// another machine.
const TokenVariable = "SAMLFAILOVER_TOKEN"

// DialServer speaks to the controller at a URL, such as
// https://failover.corp.example:8443, with a token; proxy and CAs are those of
// the environment. Nothing is asked yet.
func DialServer(origin, token string, env map[string]string, log *slog.Logger) (*Client, error) {
	if token == "" {
		return nil, fmt.Errorf("--server: no token to show; next: put yours into the environment variable %s", TokenVariable)
	}
	network, err := Bare(env, log)
	if err != nil {
		return nil, err
	}
	client, base, err := network.Streaming("--server", strings.TrimSuffix(origin, "/"))
	if err != nil {
		return nil, err
	}
	return &Client{http: client, base: base + api.CommandsBase, token: secret.New(token)}, nil
}

// Dial finds the controller of a data folder.
func Dial(dataDir string) (*Client, error) {
	place, err := server.PlaceOf(dataDir)
	if err != nil {
		return nil, err
	}
	token, err := place.ReadToken()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (%s); start one here with: samlfailover serve, or ask one elsewhere with: --server URL", ErrNoController, dataDir)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; run the command as the user that runs the controller", err)
	}
	return &Client{http: outbound.Local(place.Socket), base: "http://" + server.Host, token: secret.New(token), local: true}, nil
}

// Answers reports whether a controller answers on a data folder.
func Answers(dataDir string) bool {
	c, err := Dial(dataDir)
	if err != nil {
		return false
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	_, err = c.Status(ctx)
	return err == nil
}

// answerTime is how long a controller may take to answer that it is there.
const answerTime = 5 * time.Second

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks how everything stands.
func (c *Client) Status(ctx context.Context) (out control.Status, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/status", nil, &out)
}

// Plan asks what a move would do.
func (c *Client) Plan(ctx context.Context, r control.MoveRequest) (out failover.Decision, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/plan", r, &out)
}

// Explain asks why things stand as they do.
func (c *Client) Explain(ctx context.Context, federation, region string) (out control.Explanation, err error) {
	q := url.Values{"federation": {federation}, "region": {region}}
	return out, c.call(ctx, http.MethodGet, "/v1/explain?"+q.Encode(), nil, &out)
}

// Pause asks for a pause.
func (c *Client) Pause(ctx context.Context, r control.BrakeRequest) (out control.BrakeAnswer, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/pauses", r, &out)
}

// Lock asks for a lock.
func (c *Client) Lock(ctx context.Context, r control.BrakeRequest) (out control.BrakeAnswer, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/locks", r, &out)
}

// Resume releases pauses.
func (c *Client) Resume(ctx context.Context, r control.ReleaseRequest) (out control.ReleaseAnswer, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/pauses/release", r, &out)
}

// Unlock releases a lock.
func (c *Client) Unlock(ctx context.Context, r control.ReleaseRequest) (out control.ReleaseAnswer, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/locks/release", r, &out)
}

// Move asks for a move and follows it to its end. When the connection breaks,
// the move goes on; status tells how it ended.
func (c *Client) Move(ctx context.Context, r control.MoveRequest, follow func(move.Event)) (control.MoveAnswer, error) {
	l, err := c.follow(ctx, "/v1/moves", r, follow)
	return l.answer(), err
}

// Undo asks to take a move back and follows that to its end, as Move does.
func (c *Client) Undo(ctx context.Context, r control.UndoRequest, follow func(move.Event)) (control.MoveAnswer, error) {
	l, err := c.follow(ctx, "/v1/undo", r, follow)
	return l.answer(), err
}

// RestoreFull compares an app with its document of before a move, and asks others
// to approve that it goes back.
func (c *Client) RestoreFull(ctx context.Context, r control.FullRestoreRequest) (out control.FullRestoreAnswer, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/restore", r, &out)
}

// Propose asks for a proposal.
func (c *Client) Propose(ctx context.Context, r control.MoveRequest) (out control.VoteAnswer, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/proposals", r, &out)
}

// Proposals asks for proposals.
func (c *Client) Proposals(ctx context.Context, r control.ProposalsRequest) (out control.ProposalList, err error) {
	q := url.Values{"federation": {r.Federation}, "id": {r.ID}, "all": {strconv.FormatBool(r.All)}}
	return out, c.call(ctx, http.MethodGet, "/v1/proposals?"+q.Encode(), nil, &out)
}

// Approve approves a proposal and follows the move that the last approval sets
// off, as Move does.
func (c *Client) Approve(ctx context.Context, r control.VoteRequest, follow func(move.Event)) (control.VoteAnswer, error) {
	l, err := c.follow(ctx, "/v1/approve", r, follow)
	if err != nil || l.Vote == nil {
		return control.VoteAnswer{}, err
	}
	return *l.Vote, nil
}

// Reject rejects a proposal.
func (c *Client) Reject(ctx context.Context, r control.VoteRequest) (out control.VoteAnswer, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/reject", r, &out)
}

// History asks for open and past moves.
func (c *Client) History(ctx context.Context, r control.HistoryRequest) (out control.History, err error) {
	q := url.Values{"federation": {r.Federation}, "move": {r.Move}}
	if r.Limit > 0 {
		q.Set("limit", strconv.Itoa(r.Limit))
	}
	return out, c.call(ctx, http.MethodGet, "/v1/history?"+q.Encode(), nil, &out)
}

// Readiness asks for the last scan.
func (c *Client) Readiness(ctx context.Context, r control.ReadinessRequest) (out control.ReadinessReport, err error) {
	q := url.Values{"federation": {r.Federation}, "region": {r.Region}, "why": {r.Why}}
	return out, c.call(ctx, http.MethodGet, "/v1/readiness?"+q.Encode(), nil, &out)
}

// Store asks how the store is, and who leads.
func (c *Client) Store(ctx context.Context) (out control.StoreReport, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/store", nil, &out)
}

// Backup asks for a backup of the store to a file on the controller's machine.
func (c *Client) Backup(ctx context.Context, r control.BackupRequest) (out control.StoreManifest, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/store/backup", r, &out)
}

// lastLine is the end of a move's answer.
type lastLine server.MoveLine

func (l lastLine) answer() control.MoveAnswer {
	if l.Answer == nil {
		return control.MoveAnswer{}
	}
	return *l.Answer
}

// follow reads the lines of a move's answer and returns the last one.
func (c *Client) follow(ctx context.Context, path string, r any, follow func(move.Event)) (lastLine, error) {
	res, err := c.send(ctx, http.MethodPost, path, r)
	if err != nil {
		return lastLine{}, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end or given up
	if res.StatusCode != http.StatusOK {
		return lastLine{}, problemOf(res)
	}
	lines := json.NewDecoder(io.LimitReader(res.Body, maxAnswer))
	for {
		var l server.MoveLine
		if err := lines.Decode(&l); err != nil {
			return lastLine{}, fmt.Errorf("the connection to the controller ended during the move, which may go on; see: samlfailover status: %w", err)
		}
		switch {
		case l.Problem != nil:
			return lastLine{}, failure(*l.Problem)
		case l.Answer != nil || l.Vote != nil:
			return lastLine(l), nil
		case l.Event != nil && follow != nil:
			follow(*l.Event)
		}
	}
}

func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, &b)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if c.local && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)) {
		return nil, fmt.Errorf("%w; start one here with: samlfailover serve, or ask one elsewhere with: --server URL", ErrNoController)
	}
	if err != nil && !c.local {
		return nil, fmt.Errorf("ask the controller at %s: %w; next: check the URL and the network, or run the command on the controller's machine", strings.TrimSuffix(c.base, api.CommandsBase), err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the controller: %w", err)
	}
	return res, nil
}

// maxAnswer bounds an answer of the controller.
const maxAnswer = 64 << 20

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	res, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	if res.StatusCode != http.StatusOK {
		return problemOf(res)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read the controller's answer: %w", err)
	}
	return nil
}

// problemOf turns an error answer into the failure it describes.
func problemOf(res *http.Response) error {
	var p problem.Problem
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&p); err != nil {
		return fmt.Errorf("the controller answered %s with something else than a problem: %w", res.Status, err)
	}
	text := p.Error()
	if p.Kind == "" && p.Next != "" {
		text += "; next: " + p.Next // refused at the door, which has no words of the command line
	}
	return &control.Failure{Kind: control.Kind(p.Kind), Message: text, Rule: p.Rule, Finding: p.Finding}
}

func failure(p server.Problem) error {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	return &control.Failure{Kind: p.Kind, Message: text, Rule: p.Rule, Finding: p.Finding}
}
