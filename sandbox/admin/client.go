package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/login"
	"github.com/samlfailover/samlfailover/sandbox/slack"
)

// Client speaks to the control verbs of a running sandbox. Safe for concurrent
// use. Close it when done.
type Client struct {
	base, token string
	http        *http.Client
}

// NewClient takes the values of SANDBOX_URL and SANDBOX_TOKEN. It goes to
// loopback addresses only, and never through a proxy.
func NewClient(sandboxURL, token string) (*Client, error) {
	if sandboxURL == "" || token == "" {
		return nil, errors.New("no sandbox is named: start one with samlfailover sandbox --dir DIR, then source DIR/env, which sets SANDBOX_URL and SANDBOX_TOKEN")
	}
	u, err := url.Parse(sandboxURL)
	if err != nil || u.Scheme != "http" || u.User != nil || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("SANDBOX_URL is not like http://127.0.0.1:PORT; source the env file that the sandbox wrote")
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("SANDBOX_URL names %s, but a sandbox is on loopback only; source the env file that the sandbox wrote", u.Host)
	}
	return &Client{base: "http://" + u.Host, token: token, http: &http.Client{
		Transport:     &http.Transport{Proxy: nil, ResponseHeaderTimeout: 2 * time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Info asks what the world is.
func (c *Client) Info(ctx context.Context) (out Info, err error) {
	err = c.call(ctx, http.MethodGet, pathInfo, nil, &out)
	return out, err
}

// Faults asks what is broken.
func (c *Client) Faults(ctx context.Context) (out Faults, err error) {
	err = c.call(ctx, http.MethodGet, pathFaults, nil, &out)
	return out, err
}

// Fault breaks something and returns the rules then in force.
func (c *Client) Fault(ctx context.Context, f FaultRequest) (out Faults, err error) {
	err = c.call(ctx, http.MethodPost, pathFaults, f, &out)
	return out, err
}

// Heal heals a target ("" or "all": everything).
func (c *Client) Heal(ctx context.Context, target string) (out Faults, err error) {
	err = c.call(ctx, http.MethodDelete, pathFaults+"?target="+url.QueryEscape(target), nil, &out)
	return out, err
}

// Requests returns the log after number since; 0 is from the start.
func (c *Client) Requests(ctx context.Context, since uint64) (out Requests, err error) {
	err = c.call(ctx, http.MethodGet, pathRequests+"?since="+strconv.FormatUint(since, 10), nil, &out)
	return out, err
}

// Login signs in as a person. A refused sign-in is a Result, not an error. The
// Result holds the assertion, which is a secret for five minutes.
func (c *Client) Login(ctx context.Context, in LoginRequest) (login.Result, error) {
	var out loginAnswer
	if err := c.call(ctx, http.MethodPost, pathLogin, in, &out); err != nil {
		return login.Result{}, err
	}
	res := out.Result
	res.Role, res.Account, res.Assertion = out.Role, out.Account, out.Assertion
	return res, nil
}

// Slack has a person use Slack.
func (c *Client) Slack(ctx context.Context, in SlackRequest) (out slack.Delivery, err error) {
	err = c.call(ctx, http.MethodPost, pathSlack, in, &out)
	return out, err
}

// SlackMessages asks what a person sees in a channel; user "" is anybody.
func (c *Client) SlackMessages(ctx context.Context, channel, user string) (out SlackMessages, err error) {
	err = c.call(ctx, http.MethodGet, pathSlack+"?channel="+url.QueryEscape(channel)+"&user="+url.QueryEscape(user), nil, &out)
	return out, err
}

// maxAnswer bounds what is read: a full request log has some 20 MB.
const maxAnswer = 64 << 20

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("ask the sandbox: %w", err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("ask the sandbox: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("ask the sandbox at %s (is it still running?): %w", c.base, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the sandbox's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var f failure
		if json.Unmarshal(text, &f) != nil || f.Error == "" {
			f.Error = "it answered " + resp.Status
		}
		return fmt.Errorf("the sandbox at %s refused: %s", c.base, f.Error)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read the sandbox's answer: %w", err)
	}
	return nil
}
