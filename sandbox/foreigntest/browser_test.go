package foreigntest_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// patience bounds every wait for a page.
const patience = 30 * time.Second

// browser is one tab of a headless Chromium with a new profile.
type browser struct {
	t   *testing.T
	ctx context.Context
	p   place
}

// chromium starts one in the world: proxy and CA come from the env file alone.
func (p place) chromium(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path := tool(t, "chromium", "chromium")
	env := p.sourced(t)
	// Short, because Chromium puts a socket into it: t.TempDir can be too long.
	scratch, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(scratch) })
	env["TMPDIR"] = scratch
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(scratch, "profile")), chromedp.NoInheritEnv, chromedp.Env(environ(env)...),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("ignore-certificate-errors-spki-list", env["SANDBOX_CA_SPKI"]),
		chromedp.ProxyServer(env["HTTPS_PROXY"]), chromedp.WindowSize(1280, 800),
	}
	allocated, free := chromedp.NewExecAllocator(context.Background(), append(options, more...)...) // ends by Cancel below
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		late, stop := context.WithTimeout(ctx, patience)
		defer stop()
		if err := chromedp.Cancel(late); err != nil {
			t.Logf("close Chromium: %v", err)
		}
		cancel()
		free()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &browser{t, ctx, p}
}

// sourced returns the environment of a shell that sourced the env file.
func (p place) sourced(t *testing.T) map[string]string {
	t.Helper()
	env := map[string]string{}
	for line := range strings.SplitSeq(p.must(t, "env", "-0"), "\x00") {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	return env
}

func environ(env map[string]string) []string {
	var out []string
	for name, value := range env {
		out = append(out, name+"="+value)
	}
	return out
}

// do runs an action; it must work within patience.
func do[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("Chromium: %v", err)
	}
	return v
}

// read evaluates a JavaScript expression that is a string; "" while the page
// changes.
func (b *browser) read(expression string) string {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	return text
}

// see waits until an expression is a text that has want in it, and returns it.
func (b *browser) see(expression, want string) string {
	b.t.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		text := b.read(expression)
		if strings.Contains(text, want) {
			return text
		}
		select {
		case <-tick.C:
		case <-end:
			b.t.Fatalf("waited %s for %q in %s; Chromium is at %s and shows\n%s", patience, want, expression, b.read("location.href"), b.read(visible))
		}
	}
}

// visible is the text that a person reads.
const visible = `document.body.innerText`

// attribute reads an attribute of the first element that a selector finds.
func attribute(selector, name string) string {
	return fmt.Sprintf(`document.querySelector(%s)?.getAttribute(%s) ?? ""`, strconv.Quote(selector), strconv.Quote(name))
}

// exists is "yes" when there is such an element in a page that is complete.
func exists(selector string) string {
	return fmt.Sprintf(`document.readyState === "complete" && document.querySelector(%s) ? "yes" : "no"`, strconv.Quote(selector))
}

// open goes to a page and waits for an element in it. A page that does not load
// is the caller's business.
func (b *browser) open(address, selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		b.t.Fatalf("open %s: %v", address, err)
	}
	b.see(exists(selector), "yes")
}

// click clicks an element and does not wait for what that leads to.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.see(exists(selector), "yes")
	do(b, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%s).click()`, strconv.Quote(selector))))
}

// fill writes into a form field as typing would leave it.
func (b *browser) fill(selector, value string) {
	b.t.Helper()
	do(b, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%s).value = %s`, strconv.Quote(selector), strconv.Quote(value))))
}

// enter signs a person in at the portal.
func (b *browser) enter(user string) {
	b.t.Helper()
	u, known := b.p.Demo().User(user)
	if !known {
		b.t.Fatalf("the world has no %s", user)
	}
	b.open("https://"+seed.OktaHost+"/", "#signin")
	b.fill("[name=username]", u.Login)
	b.fill("[name=password]", u.Password)
	b.click("#signin button")
	b.see(exists(".tiles"), "yes")
}

// home goes back to the dashboard.
func (b *browser) home() { b.open("https://"+seed.OktaHost+"/", ".tiles") }

func tileOf(app seed.App) string { return fmt.Sprintf("[data-app-label=%q]", app.Label) }

const (
	chooser = "[name=roleIndex]"
	session = "#session"
	problem = "[role=alert]"
)

// pick chooses a role and signs in.
func (b *browser) pick(role string) {
	b.t.Helper()
	b.click(fmt.Sprintf("[name=roleIndex][value=%q]", role))
	b.see(`document.querySelector("[name=roleIndex]:checked")?.value ?? ""`, role)
	b.click("#signin_button")
}

// landsOn wants the console of a Region, and this role in it.
func (b *browser) landsOn(region, role string) {
	b.t.Helper()
	b.see(exists(session), "yes")
	if got := b.read(attribute(session, "data-region")); got != region {
		b.t.Errorf("the console says %s, want %s", got, region)
	}
	if got := b.read(attribute(session, "data-role")); !strings.HasSuffix(role, "/"+got) {
		b.t.Errorf("the console says role %s, want %s", got, role)
	}
	address, err := url.Parse(do(b, chromedp.Location()))
	if err != nil || address.Host != region+".console.aws.amazon.com" {
		b.t.Errorf("Chromium is at %s (%v), want the console of %s", address, err, region)
	}
}

// spec 3, 15.5
func TestChromiumSignsIn(t *testing.T) {
	t.Parallel()
	p := running(t)
	b := p.chromium(t)
	prod, shared := p.Demo().Apps[0], p.Demo().Apps[1]
	u, _ := p.Demo().User("ada@acme.example")
	b.enter(u.Login)

	b.click(tileOf(prod)) // several roles: the chooser
	b.see(exists(chooser), "yes")
	b.pick(u.Roles[prod.Label][2])
	b.landsOn("us-east-1", u.Roles[prod.Label][2])

	b.home()
	b.click(tileOf(shared)) // one role: straight on
	b.landsOn("us-east-1", u.Roles[shared.Label][0])

	p.breaks(t, "us-east-1", fault.Effect{Kind: fault.Down})
	b.home()
	b.click(tileOf(shared))
	b.see(visible, "ERR_TUNNEL_CONNECTION_FAILED")

	b.home() // what a move does, by hand
	p.pointApp(t, shared, otherRecipient, "ssoAcsUrl", "recipient", "destination")
	p.pointApp(t, shared, "https://us-west-2.console.aws.amazon.com/", "defaultRelayState")
	b.click(tileOf(shared))
	b.landsOn("us-west-2", u.Roles[shared.Label][0])
}

// Saboteurs: what Chromium must not get through with.
func TestChromiumIsRefused(t *testing.T) {
	t.Parallel()
	p := running(t)
	b := p.chromium(t)
	prod := p.Demo().Apps[0]
	b.open("https://"+seed.OktaHost+"/", "#signin")
	b.fill("[name=username]", "ada@acme.example")
	b.fill("[name=password]", "guessed")
	b.click("#signin button")
	b.see(visible, "Unable to sign in")

	b.enter("margaret@acme.example") // her role does not admit us-west-2
	p.pointApp(t, prod, otherRecipient, "ssoAcsUrl", "recipient", "destination")
	b.click(tileOf(prod))
	b.see(exists(problem), "yes")
	if code := b.read(attribute(problem, "data-code")); code != "AccessDenied" {
		t.Errorf("the page says %q: %s", code, b.read(visible))
	}

	p.pointApp(t, prod, p.Demo().Apps[0].ACS.String(), "recipient") // not the host that it is posted to
	b.home()
	b.click(tileOf(prod))
	b.see(visible, failurePage)
	if host := b.read("location.host"); host != "us-west-2.signin.aws.amazon.com" {
		t.Errorf("the failure page is on %s", host)
	}
}

// Saboteur: the flag that trusts the world's CA names another key.
func TestChromiumWantsTheWorldsCA(t *testing.T) {
	t.Parallel()
	p := running(t)
	other := strings.Repeat("A", 43) + "="
	b := p.chromium(t, chromedp.Flag("ignore-certificate-errors-spki-list", other))
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Navigate("https://"+seed.OktaHost+"/"))
	if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "ERR_CERT_AUTHORITY_INVALID") {
		t.Errorf("an unknown CA: %v, and Chromium shows %s", err, b.read(visible))
	}
}
