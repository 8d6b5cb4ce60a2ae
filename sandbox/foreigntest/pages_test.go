package foreigntest_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// Look at the pictures after every change of a page's markup or style:
// go test ./sandbox/foreigntest -run Legible -screenshots DIR
var screenshots = flag.String("screenshots", "", "write a picture of every page of the sandbox into this folder")

// The values of Chromium's setting for the colours that a page should prefer.
const (
	preferDark  = "preferredColorScheme=0"
	preferLight = "preferredColorScheme=1"
)

// look is one way to look at the pages.
type look struct {
	name, colours string
	width, height int64
}

// Every page is legible for people: nothing runs out of the window, and text
// stands out from its background, in both colour schemes and on a telephone.
// The pages' own scripts are off, so that the form stays, and everything has to
// work without them.
func TestPagesAreLegible(t *testing.T) {
	t.Parallel()
	tool(t, "chromium", "chromium")
	script, err := os.ReadFile(filepath.Join("testdata", "legible.js"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []look{
		{"light", preferLight, 1280, 800}, {"dark", preferDark, 1280, 800},
		{"narrow-light", preferLight, 390, 844}, {"narrow-dark", preferDark, 390, 844},
	} {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			p := running(t)
			b := p.chromium(t, chromedp.Flag("blink-settings", l.colours+",scriptEnabled=false"))
			do(b, chromedp.EmulateViewport(l.width, l.height))
			tour(b, func(page string) {
				t.Helper()
				if dark := b.read(`String(matchMedia("(prefers-color-scheme: dark)").matches)`); dark != map[bool]string{true: "true", false: "false"}[l.colours == preferDark] {
					t.Fatalf("%s: the page is shown for dark = %s", page, dark)
				}
				if bad := do(b, chromedp.Evaluate[string](string(script))); bad != "" {
					t.Errorf("%s:\n%s", page, bad)
				}
				if *screenshots != "" {
					picture(b, filepath.Join(*screenshots, page+"-"+l.name+".png"))
				}
			})
		})
	}
}

// tour visits every page of portal and AWS and calls at on it.
func tour(b *browser, at func(page string)) {
	p, t := b.p, b.t
	t.Helper()
	prod, shared := p.Demo().Apps[0], p.Demo().Apps[1]
	portal := "https://" + seed.OktaHost
	b.open(portal+"/", "#signin")
	at("1-sign-in")
	b.fill("[name=username]", "ada@acme.example")
	b.fill("[name=password]", "guessed")
	b.click("#signin button")
	b.see(exists(problem), "yes")
	at("2-sign-in-refused")
	b.enter("ada@acme.example")
	at("3-dashboard")

	b.click(tileOf(prod))
	b.see(exists("#saml button"), "yes") // without script the form waits for a click
	at("4-form")
	b.click("#saml button")
	b.see(exists(chooser), "yes")
	at("5-roles")
	b.pick(b.read(`document.querySelector("[name=roleIndex]").value`))
	b.see(exists(session), "yes")
	at("6-console")
	b.open("https://us-east-1.signin.aws.amazon.com/logout", "main")
	at("7-signed-out")

	b.home()
	p.pointApp(t, shared, otherRecipient, "recipient")
	b.click(tileOf(shared))
	b.click("#saml button")
	b.see(exists(problem), "yes")
	at("8-refused-by-aws")
	b.open(portal+"/nowhere", problem)
	at("9-refused-by-portal")
}

func picture(b *browser, path string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, do(b, chromedp.FullScreenshot(100)), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// Saboteurs: pages that nobody can read.
func TestLegibleCatchesSaboteurs(t *testing.T) {
	t.Parallel()
	tool(t, "chromium", "chromium")
	script, err := os.ReadFile(filepath.Join("testdata", "legible.js"))
	if err != nil {
		t.Fatal(err)
	}
	b := running(t).chromium(t)
	do(b, chromedp.EmulateViewport(390, 844))
	for _, c := range []struct{ why, html, want string }{
		{"a good page", `<p style="color:#333">Hello</p>`, ""},
		{"pale text", `<p style="color:#aaa">Hello</p>`, "contrast 2.3"},
		{"dark on dark", `<main style="background:#222"><p style="color:#444">Hello</p></main>`, "contrast 1.6"},
		{"a long word", `<p>` + strings.Repeat("arn", 60) + `</p>`, "the page is"},
		{"a long word in a box", `<p style="overflow:hidden">` + strings.Repeat("arn", 60) + `</p>`, "wide in"},
		{"a wide table", `<table style="width:900px"><tr><td>Hello</td></tr></table>`, "the page is"},
	} {
		b.open("data:text/html,<meta name=viewport content=width=device-width><body style='background:white'>"+strings.ReplaceAll(c.html, "#", "%23"), "body")
		got := do(b, chromedp.Evaluate[string](string(script)))
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}
