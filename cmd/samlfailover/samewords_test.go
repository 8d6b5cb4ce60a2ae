package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/control"
)

// verdict is what a door says of a request: the kind of a refusal or the outcome
// of a decision, the rule, and the words.
type verdict struct{ code, rule, words string }

// doors is one use case, asked for through every door.
type doors struct {
	why    string
	who    string   // the person in the simulated company who asks
	cli    []string // the command
	method string   // and path and body: the API's
	path   string
	body   string
	slack  string // the slash command behind its name
	code   string // what has to come of it
	rule   string
	// local: what comes of it on this machine's socket is another matter, since
	// its user is an admin and another person.
	remote bool
}

// sameDoors are use cases that end in a refusal or in a decision. What Slack's own
// grammar refuses before anybody is asked (a move without a reason) is not here.
func sameDoors(proposal string) []doors {
	fed := `"federation":"workforce"`
	return []doors{
		{why: "a plan to no Region", cli: []string{"plan", "--to", "moon-1"}, method: "POST", path: "/plan", body: `{"to":"moon-1"}`, slack: "plan moon-1", code: "invalid"},
		{why: "a plan to another partition", cli: []string{"plan", "--to", "us-gov-west-1"}, method: "POST", path: "/plan", body: `{"to":"us-gov-west-1"}`, slack: "plan us-gov-west-1", code: "invalid"},
		{why: "a plan in no federation", cli: []string{"plan", "--federation", "nowhere", "--to", "us-west-2"}, method: "POST", path: "/plan", body: `{"federation":"nowhere","to":"us-west-2"}`, slack: "plan us-west-2 in nowhere", code: "not-found"},
		{why: "a plan that a rule holds", cli: []string{"plan", "--to", "us-west-2"}, method: "POST", path: "/plan", body: `{"to":"us-west-2"}`, slack: "plan us-west-2", code: "hold", rule: "not-ready"},
		{why: "a move to no Region", cli: []string{"move", "--to", "moon-1", "--reason", "r"}, method: "POST", path: "/moves", body: `{"to":"moon-1","reason":"r"}`, slack: "move moon-1 r", code: "invalid"},
		{why: "a move in no federation", cli: []string{"move", "--federation", "nowhere", "--to", "us-west-2", "--reason", "r"}, method: "POST", path: "/moves", body: `{"federation":"nowhere","to":"us-west-2","reason":"r"}`, slack: "move us-west-2 in nowhere r", code: "not-found"},
		{why: "a move that a rule holds", cli: []string{"move", "--to", "us-west-2", "--reason", "r"}, method: "POST", path: "/moves?wait=30s", body: `{` + fed + `,"to":"us-west-2","reason":"r"}`, slack: "move us-west-2 r", code: "hold", rule: "not-ready"},
		{why: "a move by a viewer", who: "margaret", remote: true, cli: []string{"move", "--to", "us-west-2", "--reason", "r"}, method: "POST", path: "/moves", body: `{"to":"us-west-2","reason":"r"}`, slack: "move us-west-2 r", code: "forbidden"},
		{why: "the decision", cli: []string{"explain"}, method: "GET", path: "/federations/workforce/decision", slack: "explain", code: "hold", rule: "active-healthy"},
		{why: "a decision of no federation", cli: []string{"explain", "--federation", "nowhere"}, method: "GET", path: "/federations/nowhere/decision", slack: "explain in nowhere", code: "not-found"},
		{why: "a decision on a Region that is not the federation's", cli: []string{"explain", "--region", "ap-south-1"}, method: "GET", path: "/federations/workforce/decision?region=ap-south-1", slack: "explain ap-south-1", code: "not-found"},
		{why: "readiness of a Region that is not the federation's", cli: []string{"readiness", "--region", "ap-south-1"}, method: "GET", path: "/federations/workforce/readiness?region=ap-south-1", slack: "readiness ap-south-1", code: "not-found"},
		{why: "readiness of no Region", cli: []string{"readiness", "--region", "moon-1"}, method: "GET", path: "/federations/workforce/readiness?region=moon-1", slack: "readiness moon-1", code: "invalid"},
		{why: "readiness of no federation", cli: []string{"readiness", "--federation", "nowhere"}, method: "GET", path: "/federations/nowhere/readiness", slack: "readiness in nowhere", code: "not-found"},
		{why: "a move that there is not", cli: []string{"history", "move-x"}, method: "GET", path: "/moves/move-x", slack: "history move-x", code: "not-found"},
		{why: "an approval of nothing", cli: []string{"approve", "prop-x"}, method: "POST", path: "/proposals/prop-x/approve", body: `{}`, slack: "approve prop-x", code: "not-found"},
		{why: "a rejection of nothing", cli: []string{"reject", "prop-x", "--reason", "r"}, method: "POST", path: "/proposals/prop-x/reject", body: `{"comment":"r"}`, slack: "reject prop-x r", code: "not-found"},
		{why: "an approval by an operator", who: "katherine", remote: true, cli: []string{"approve", proposal}, method: "POST", path: "/proposals/" + proposal + "/approve", body: `{}`, slack: "approve " + proposal, code: "forbidden", rule: "role"},
		{why: "an approval of one's own proposal", who: "ada", remote: true, cli: []string{"approve", proposal}, method: "POST", path: "/proposals/" + proposal + "/approve", body: `{}`, slack: "approve " + proposal, code: "forbidden", rule: "self-approval"},
		{why: "a pause for too long", cli: []string{"pause", "--for", "9000h", "--reason", "r"}, method: "POST", path: "/pauses", body: `{"for":"9000h","reason":"r"}`, slack: "pause 9000h r", code: "invalid"},
		{why: "a pause of no federation", cli: []string{"pause", "--federation", "nowhere", "--for", "1h", "--reason", "r"}, method: "POST", path: "/pauses", body: `{"federation":"nowhere","for":"1h","reason":"r"}`, slack: "pause 1h in nowhere r", code: "not-found"},
		{why: "a pause by a viewer", who: "margaret", remote: true, cli: []string{"pause", "--for", "1h", "--reason", "r"}, method: "POST", path: "/pauses", body: `{"for":"1h","reason":"r"}`, slack: "pause 1h r", code: "forbidden"},
		{why: "the end of a pause that there is not", cli: []string{"resume", "pause-x"}, method: "DELETE", path: "/pauses/pause-x", slack: "resume pause-x", code: "not-found"},
	}
}

// actors are how a caller is named, which is the one word in which doors differ.
var actors = regexp.MustCompile(`\b(ada|katherine|margaret) via (slack|token)\b`)

func plain(s string) string { return actors.ReplaceAllString(s, "$1") }

// byAPI asks over HTTP.
func (l *lived) byAPI(t *testing.T, d doors) verdict {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), d.method, l.ControllerURL()+"/api/v1"+d.path, strings.NewReader(d.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+l.StaffToken(cmp.Or(d.who, "ada")))
	if d.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var a struct {
		Type, Kind, Rule, Detail string
		Outcome, Why             string
		Decision                 *control.Decision
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("%s: %v: %s", d.why, err, raw)
	}
	switch {
	case a.Decision != nil:
		return verdict{string(a.Decision.Outcome), a.Decision.Rule, plain(a.Decision.Why)}
	case a.Outcome != "":
		return verdict{a.Outcome, a.Rule, plain(a.Why)}
	case strings.HasSuffix(a.Type, ":held") && a.Kind == "":
		return verdict{"hold", a.Rule, plain(a.Detail)}
	}
	return verdict{a.Kind, a.Rule, plain(a.Detail)}
}

// bySlack types the slash command and finds what the person is told.
func (l *lived) bySlack(t *testing.T, d doors, want verdict) string {
	t.Helper()
	head := want.code
	if want.rule != "" {
		head += " [" + want.rule + "]"
	}
	line := head + ": " + want.words
	who := cmp.Or(d.who, "ada")
	said, err := l.Slack().Type(t.Context(), who, "incident", "/samlfailover "+d.slack)
	if err != nil || !said.Acknowledged() {
		t.Fatalf("%s: %+v, %v", d.why, said, err)
	}
	told := said.Said
	poll(func() bool {
		all, err := l.Slack().Seen("incident", who)
		if err != nil {
			t.Fatal(err)
		}
		told = said.Said
		for _, m := range all {
			told += "\n" + m.All()
		}
		told = plain(html.UnescapeString(told)) // Slack's own escapes of & < >
		return slices.Contains(strings.Split(told, "\n"), line)
	})
	if !slices.Contains(strings.Split(told, "\n"), line) {
		return fmt.Sprintf("Slack does not say %q, but:\n%s", line, told)
	}
	return ""
}

// byCommand checks what a run of the program said.
func byCommand(r ran, want verdict) string {
	code := map[string]int{"invalid": exitUsage, "not-found": exitUsage, "forbidden": exitHeld, "hold": exitHeld}[want.code]
	out := plain(r.out + r.err)
	line := "samlfailover: " + want.words
	switch {
	case want.rule == "active-healthy":
		code, line = exitDone, "hold ["+want.rule+"]: "+want.words // explain only tells
	case want.rule != "" && want.code != "hold":
		line = "samlfailover: refused by rule " + want.rule + ": " + want.words
	case want.code == "hold":
		line = "Held by rule " + want.rule + ": " + want.words
	}
	if r.code != code || !slices.ContainsFunc(strings.Split(out, "\n"), func(l string) bool { return strings.TrimSpace(l) == line }) {
		return fmt.Sprintf("the command ends with %d, wanted %d, and the line %q, with the rule %q:\n%s", r.code, code, line, want.rule, out)
	}
	return ""
}

// Whichever door a use case comes in by, the same comes of it: the same code, the
// same rule, the same words. The API's answer is the measure of the others.
//
// spec 13.1
func TestSameWordsThroughEveryDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.edited(t, "mode: auto", "mode: approve", "accept_fewer_vantages: true", "approvals: 1")
	w.serve(t)
	network := maps.Clone(w.env)
	delete(network, "SAMLFAILOVER_CONFIG")
	proposal := w.proposes(t)
	for _, d := range sameDoors(proposal) {
		want := w.byAPI(t, d)
		if want.code != d.code || want.rule != d.rule || want.words == "" {
			t.Errorf("%s: the API says %+v, wanted %s by rule %q", d.why, want, d.code, d.rule)
			continue
		}
		if bad := w.bySlack(t, d, want); bad != "" {
			t.Errorf("%s: the API says %+v; %s", d.why, want, bad)
		}
		network["SAMLFAILOVER_TOKEN"] = w.StaffToken(cmp.Or(d.who, "ada"))
		if bad := byCommand(cli(t, network, append(d.cli, "--server", w.ControllerURL())...), want); bad != "" {
			t.Errorf("%s over the network: %s", d.why, bad)
		}
		if d.remote {
			continue
		}
		if bad := byCommand(cli(t, w.env, d.cli...), want); bad != "" {
			t.Errorf("%s on the socket: %s", d.why, bad)
		}
	}
}

// proposes makes ada ask for a move that needs another's approval.
func (l *lived) proposes(t *testing.T) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", l.ControllerURL()+"/api/v1/proposals", bytes.NewReader([]byte(`{"to":"us-west-2","reason":"a test","overrides":["not-ready"]}`)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+l.StaffToken("ada"))
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read
	var a struct{ Proposal struct{ ID string } }
	if raw, err := io.ReadAll(res.Body); err != nil || json.Unmarshal(raw, &a) != nil || a.Proposal.ID == "" {
		t.Fatalf("%s %s %v", res.Status, raw, err)
	}
	return a.Proposal.ID
}

// A door that words a refusal itself, drops the rule or ends with another code is
// seen: each is a saboteur of the comparison.
func TestOtherWordsAreSeen(t *testing.T) {
	t.Parallel()
	want := verdict{"hold", "not-ready", "71 of 78 roles will work"}
	good := ran{exitHeld, "Held by rule not-ready: 71 of 78 roles will work\n", ""}
	if bad := byCommand(good, want); bad != "" {
		t.Error(bad)
	}
	for why, r := range map[string]ran{
		"another code":         {exitDone, good.out, ""},
		"no rule":              {exitHeld, "Held: 71 of 78 roles will work\n", ""},
		"another rule":         {exitHeld, "Held by rule frozen: 71 of 78 roles will work\n", ""},
		"words of its own":     {exitHeld, "Held by rule not-ready: too few roles\n", ""},
		"words and some more":  {exitHeld, "Held by rule not-ready: 71 of 78 roles will work, sorry\n", ""},
		"a refusal's own form": {exitHeld, "", "samlfailover: 71 of 78 roles will work\n"},
	} {
		if byCommand(r, want) == "" {
			t.Errorf("%s was not seen", why)
		}
	}
}
