package login

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Request says who signs in where. A person who does not care about the app or
// the role leaves them empty and gets the first one offered.
type Request struct {
	Portal   string // https URL of the IdP's user portal, or one that starts sign-in to one app
	User     string
	Password string
	App      string // label or id of the tile; "" = the first
	Role     string // role ARN to pick in the chooser; "" = the first
}

// Result is the outcome. Its JSON holds no secret.
type Result struct {
	App     string `json:"app"` // label of the tile, or what was asked for
	User    string `json:"user"`
	OK      bool   `json:"ok"`
	Region  string `json:"region"`  // of the console reached; "" when none was
	Landing string `json:"landing"` // URL of the console page; "" when none was reached
	Reason  string `json:"reason"`  // why it failed, a sentence; "" when it did not
	Hops    []Hop  `json:"hops"`

	Role    string `json:"-"` // ARN of the role that the console shows
	Account string `json:"-"`
	// Assertion is what was sent; the caller decides whether to store it.
	Assertion Assertion `json:"-"`
}

// Assertion is a SAML response as XML: a secret for five minutes, so that
// printing it shows only its size.
type Assertion []byte

// Format prints the size under every verb.
func (a Assertion) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "[SAML response of %d bytes]", len(a))
}

// LogValue keeps it out of structured logs.
func (a Assertion) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(a)) }

// Hop is one request of the browser. Values of the query are left out but for
// region; Status is 0 when no answer came.
type Hop struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Status int    `json:"status"`
}

// Run signs in once. It is bounded by ctx, by 25 requests and by 4 MiB per
// page, and starts no goroutine.
func Run(ctx context.Context, rt http.RoundTripper, r Request) Result {
	b := newBrowser(rt)
	res := Result{App: r.App, User: r.User}
	err := signIn(ctx, b, r, &res)
	res.Hops, res.OK = b.hops, err == nil
	if err != nil {
		res.Reason = err.Error()
	}
	return res
}

// signIn fills res as far as it gets.
func signIn(ctx context.Context, b *browser, r Request, res *Result) error {
	start, err := url.Parse(r.Portal)
	if err != nil || start.Scheme != "https" || start.Host == "" {
		return fmt.Errorf("the portal address %q is not an https URL", r.Portal)
	}
	if start.Path == "" {
		start.Path = "/"
	}
	b.portal = start.Host
	home, err := enterPortal(ctx, b, start, r)
	if err != nil {
		return err
	}
	form, err := openApp(ctx, b, home, r, res)
	if err != nil {
		return err
	}
	if res.Assertion, err = base64.StdEncoding.DecodeString(form.fields.Get("SAMLResponse")); err != nil {
		return fmt.Errorf("the portal's SAML response for %q is not base64", res.App)
	}
	page, err := b.submit(ctx, form)
	if err != nil {
		return err
	}
	if page, err = chooseRole(ctx, b, page, r.Role); err != nil {
		return err
	}
	return land(page, res)
}

// enterPortal gets through the sign-in page to the dashboard.
func enterPortal(ctx context.Context, b *browser, start *url.URL, r Request) (*page, error) {
	first, err := b.get(ctx, start)
	if err != nil {
		return nil, err
	}
	form, ok := first.passwordForm()
	if !ok {
		return nil, fmt.Errorf("the portal %s shows no sign-in form: %s", start.Host, first.says())
	}
	form.fields.Set(form.userField, r.User)
	form.fields.Set(form.passwordField, r.Password)
	home, err := b.submit(ctx, form.form)
	if err != nil {
		return nil, err
	}
	if _, again := home.passwordForm(); again {
		return nil, fmt.Errorf("the portal %s did not sign %s in: %s", start.Host, r.User, home.says())
	}
	if home.status != http.StatusOK {
		return nil, fmt.Errorf("the portal %s let %s in and then stopped: %s", start.Host, r.User, home.says())
	}
	return home, nil
}

// openApp returns the form that goes to AWS: behind a tile of the dashboard, or
// at once where the portal's address starts sign-in to one app.
func openApp(ctx context.Context, b *browser, home *page, r Request, res *Result) (form, error) {
	if f, ok := home.formWith("SAMLResponse"); ok {
		return f, nil
	}
	tile, err := findTile(home, r)
	if err != nil {
		return form{}, err
	}
	res.App = tile.label
	page, err := b.get(ctx, tile.href)
	if err != nil {
		return form{}, err
	}
	f, ok := page.formWith("SAMLResponse")
	if !ok {
		return form{}, fmt.Errorf("the portal did not send a SAML response for %q: %s", tile.label, page.says())
	}
	return f, nil
}

// findTile picks the app on the dashboard.
func findTile(home *page, r Request) (tile, error) {
	tiles := home.tiles()
	var labels []string
	for _, t := range tiles {
		if r.App == "" || t.label == r.App || t.id == r.App {
			return t, nil
		}
		labels = append(labels, t.label)
	}
	if len(tiles) == 0 {
		return tile{}, fmt.Errorf("%s sees no app in the portal", r.User)
	}
	return tile{}, fmt.Errorf("%s sees no app %q in the portal, only: %s", r.User, r.App, strings.Join(labels, ", "))
}

// chooseRole answers AWS's role chooser where it appears.
func chooseRole(ctx context.Context, b *browser, p *page, want string) (*page, error) {
	form, ok := p.formWith("roleIndex")
	if !ok {
		return p, nil
	}
	role := want
	if want == "" {
		role = form.choices[0]
	} else if !slices.Contains(form.choices, want) {
		return nil, fmt.Errorf("AWS does not offer the role %s, only: %s", want, strings.Join(form.choices, ", "))
	}
	form.fields.Set("roleIndex", role)
	return b.submit(ctx, form)
}

// land reads the console page.
func land(p *page, res *Result) error {
	mark, ok := p.console()
	if !ok || p.status != http.StatusOK {
		return errors.New(p.says())
	}
	res.Region, res.Account, res.Role = mark.region, mark.account, mark.role
	res.Landing = plainURL(p.url)
	return nil
}
