package generic_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/generic"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

// contract is the text of docs/idp/generic.md.
func contract(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "idp", "generic.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The signatures that the contract shows are those that leave.
func TestSignaturesOfTheDocs(t *testing.T) {
	t.Parallel()
	text := contract(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		w.Answer = func(*http.Request) *http.Response { return reply(200, `{"id":"aws-prod"}`) }
		time.Sleep(time.Until(time.Unix(1767225600, 0)))
		if _, err := w.tenant.Read(t.Context(), appID); err != nil {
			t.Fatal(err)
		}
		const body = `{"id":"aws-prod","label":"AWS prod","acs":"` + west + `","relay_state":"","status":"active","revision":"41"}`
		if err := w.tenant.Write(t.Context(), idp.Document{ID: appID, Raw: json.RawMessage(body)}, nil); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, r := range w.Calls() {
			signature := r.Header.Get("Samlfailover-Signature")
			seen[signature] = true
			if r.Header.Get("Samlfailover-Timestamp") != "1767225600" || !strings.Contains(text, signature) || !strings.Contains(text, "    "+body+"\n") {
				t.Errorf("%s %s: %s at %s is not in the docs", r.Method, r.Path, signature, r.Header.Get("Samlfailover-Timestamp"))
			}
		}
		if len(seen) != 2 {
			t.Errorf("%d signatures", len(seen))
		}
	})
}

// The document that the contract shows is one that can be moved.
func TestDocumentOfTheDocs(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(contract(t), "```json\n")
	raw, _, ok := strings.Cut(rest, "```")
	app := generic.Codec{}.Describe(idp.Document{ID: appID, Raw: json.RawMessage(raw)})
	if !ok || !app.Movable || len(app.Findings) > 0 || app.Label != "AWS production" || app.Region() != signin.MustRegion("us-east-1") {
		t.Errorf("%+v", app)
	}
}

// example runs the webhook that the contract shows, and returns its address.
func example(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil && os.Getenv("TEST_ALL") == "1" {
		t.Fatal("python3 is missing (TEST_ALL=1: no test may be skipped)")
	}
	if err != nil {
		t.Skip("python3 is missing")
	}
	_, rest, _ := strings.Cut(contract(t), "```python\n")
	code, _, _ := strings.Cut(rest, "```")
	cmd := exec.Command(python, "-c", code)
	cmd.Env = append(os.Environ(), "WEBHOOK_SECRET="+key, "PORT=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(line)
}

// spec 2.2, 4.1: an app moves through the webhook of the docs, which knows
// nothing of this code, and back.
func TestExampleOfTheDocs(t *testing.T) {
	t.Parallel()
	address := example(t)
	network, err := outbound.New(outbound.Settings{Proxy: "direct"})
	if err != nil {
		t.Fatal(err)
	}
	tenant := func(pass string) *generic.Tenant {
		out, err := generic.New(generic.Options{Network: network, Name: "python", URL: address, Path: prefix, Secret: secret.New(pass)})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	good := tenant(key)
	target := signin.Target{From: signin.MustRegion("us-east-1"), To: signin.MustRegion("us-west-2")}
	moved, err := idp.Step(t.Context(), good, generic.Codec{}, appID, target, idp.Hooks{})
	if err != nil || moved.App.ACSText != west {
		t.Fatalf("%q, %v", moved.App.ACSText, err)
	}
	if err := good.Write(t.Context(), moved.Before, nil); !finding.Is(err, finding.ChangedMeanwhile) {
		t.Errorf("a write over an old revision: %v", err)
	}
	foreign, err := idp.Set(moved.After.Raw, "/acs", json.RawMessage(`"https://signin.aws.amazon.com.evil.example/saml"`))
	if err != nil {
		t.Fatal(err)
	}
	if err := good.Write(t.Context(), idp.Document{ID: appID, Raw: foreign}, nil); !finding.Is(err, finding.IdPRejected) {
		t.Errorf("a foreign endpoint: %v", err)
	}
	if _, err := tenant(strings.Repeat("x", 32)).Read(t.Context(), appID); !finding.Is(err, finding.IdPAuth) {
		t.Errorf("another secret: %v", err)
	}
	if _, err := good.Read(t.Context(), "other"); !finding.Is(err, finding.AppNotFound) {
		t.Errorf("another app: %v", err)
	}
	back, err := idp.Undo(t.Context(), good, generic.Codec{}, appID, moved.Changes, idp.Hooks{})
	if err != nil || back.App.ACSText != east {
		t.Errorf("undo: %q, %v", back.App.ACSText, err)
	}
}
