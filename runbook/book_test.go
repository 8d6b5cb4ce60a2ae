package runbook

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

var (
	home = signin.MustRegion("us-east-1")
	west = signin.MustRegion("us-west-2")
	now  = time.Date(2026, 11, 27, 6, 30, 0, 0, time.UTC)
)

func ref(name string) federation.AppRef {
	return federation.AppRef{Name: name, Tenant: "acme", ID: "id-" + name}
}

// read is an app as read at a Region.
func read(t *testing.T, name, kind, acs, relay string) inventory.AppRead {
	t.Helper()
	at, err := signin.ParseACS(acs)
	out := inventory.AppRead{Ref: ref(name), ReadAt: now.Add(-time.Hour), Kind: kind, ACSText: acs, RelayState: relay, Movable: err == nil}
	if err == nil {
		out.ACS = at
	}
	return out
}

func input(apps ...inventory.AppRead) Input {
	in := Input{Federation: federation.Federation{Name: "corp", Partition: signin.AWS, Regions: []signin.Region{home, west}}, Now: now,
		Kind: func(string) string { return "okta" }, AdminURL: func(a federation.AppRef) string { return "https://acme-admin.okta.com/" + a.ID }}
	for _, a := range apps {
		in.Federation.Apps = append(in.Federation.Apps, a.Ref)
		in.Apps = append(in.Apps, a)
	}
	return in
}

// to returns the steps of a book for a Region, each as "app: field=target ...".
func to(b Book, r signin.Region) (lines []string, notes string) {
	for _, m := range b.Moves {
		if m.To != r {
			continue
		}
		for _, s := range m.Steps {
			line := s.App.Name + ":"
			for _, f := range s.Fields {
				line += " " + f.Field + "=" + f.Target
			}
			lines = append(lines, line)
			notes += strings.Join(s.Notes, " ")
		}
	}
	return lines, notes
}

const (
	atHome = "https://signin.aws.amazon.com/saml"
	atWest = "https://us-west-2.signin.aws.amazon.com/saml"
)

func TestFields(t *testing.T) {
	t.Parallel()
	unread := inventory.AppRead{Ref: ref("a")}
	for _, c := range []struct {
		why   string
		app   inventory.AppRead
		fed   func(*federation.Federation)
		want  string
		notes string
	}{
		{"endpoint and landing page move", read(t, "a", "okta:custom-saml", atHome, "https://us-east-1.console.aws.amazon.com/ec2?region=us-east-1"), nil,
			"a: Single sign-on URL=" + atWest + " Default RelayState=https://us-west-2.console.aws.amazon.com/ec2?region=us-west-2", ""},
		{"a provider's own endpoint keeps its suffix", read(t, "a", "okta:amazon_aws", atHome+"/acs/SAMLSPABCDEFGHIJKLMNOPQRSTUV", ""), nil,
			"a: ACS URL=" + atWest + "/acs/SAMLSPABCDEFGHIJKLMNOPQRSTUV", ""},
		{"OneLogin has two fields", read(t, "a", "onelogin:custom-saml", atHome, ""), func(f *federation.Federation) { f.Name = "onelogin" },
			"a: ACS (Consumer) URL=" + atWest + " Recipient=" + atWest, ""},
		{"a foreign landing page stays", read(t, "a", "okta:custom-saml", atHome, "https://evil.example/"), nil, "a: Single sign-on URL=" + atWest, "Leave Default RelayState"},
		{"a foreign endpoint is shown as what it is", read(t, "a", "okta:custom-saml", "https://evil.example/saml", ""), nil, "a: Single sign-on URL=" + atWest, "not one of AWS's"},
		{"an app that was never read", unread, nil, "a: Single sign-on URL, or ACS URL=" + atWest, "never read"},
		{"an empty landing page may be set", read(t, "a", "okta:custom-saml", atHome, ""), func(f *federation.Federation) { f.Policy.Relay.SetWhenEmpty = true },
			"a: Single sign-on URL=" + atWest + " Default RelayState=https://us-west-2.console.aws.amazon.com/", ""},
		{"one that is there already", read(t, "a", "okta:custom-saml", atWest, ""), nil, "a:", "already"},
	} {
		in := input(c.app)
		if c.fed != nil {
			c.fed(&in.Federation)
		}
		if in.Federation.Name == "onelogin" {
			in.Kind = func(string) string { return "onelogin" }
		}
		got, notes := to(New(in), west)
		if len(got) != 1 || got[0] != c.want || !strings.Contains(notes, c.notes) {
			t.Errorf("%s: %q (%s), want %q", c.why, got, notes, c.want)
		}
	}
}

// spec 2.10: an app that others stand in for keeps its endpoint; tiles change.
func TestStandbyTiles(t *testing.T) {
	t.Parallel()
	b := read(t, "b-west", "okta:custom-saml", atWest, "")
	b.Hidden = true
	in := input(read(t, "a", "okta:custom-saml", atHome, ""), read(t, "b", "okta:custom-saml", atHome, ""))
	in.Apps = append(in.Apps, b)
	in.Federation.Lead = "b"
	in.Federation.Standbys = []federation.Standby{{For: ref("b"), Region: west, App: ref("b-west")}}
	book := New(in)
	got, _ := to(book, west)
	if want := []string{"b-west: Application visibility=shown", "a: Single sign-on URL=" + atWest}; !slices.Equal(got, want) {
		t.Errorf("to the standby Region: %q, want %q: the lead's tile first", got, want)
	}
	if !book.Moves[0].Steps[0].Lead || book.Apps[0].App.Name != "b" || book.Apps[1].For != "b" || book.Apps[1].Tile != failover.TileHidden {
		t.Errorf("%+v", book.Apps)
	}
	in.Federation.Regions = append(in.Federation.Regions, signin.MustRegion("eu-west-1"))
	if got, notes := to(New(in), signin.MustRegion("eu-west-1")); !strings.Contains(got[0], "standby app for eu-west-1") || !strings.Contains(notes, "Leave its own endpoint") {
		t.Errorf("where nothing stands in: %q %s", got, notes)
	}
	in.Apps[2].ACS, in.Apps[2].ACSText = in.Apps[0].ACS, atHome
	if _, notes := to(New(in), west); !strings.Contains(notes, "set that right first") {
		t.Errorf("a standby app elsewhere: %s", notes)
	}
}

func TestReadinessHasNames(t *testing.T) {
	t.Parallel()
	in := input(read(t, "a", "okta:custom-saml", atHome, ""))
	in.Roles = inventory.Snapshot{TakenAt: now.Add(-50 * time.Hour), Accounts: []inventory.AccountScan{{}}}
	for i := range maxNames + 5 {
		arn := fmt.Sprintf("arn:aws:iam::111122223333:role/r%03d", i)
		in.Roles.Accounts[0].Roles = append(in.Roles.Accounts[0].Roles, inventory.Role{ARN: arn, Regions: []inventory.RegionReadiness{
			{Region: west, State: inventory.NotReady, Finding: &finding.Finding{Code: finding.RoleNotReady, Subject: arn, What: "no"}}}})
	}
	m := New(in).Moves[0]
	if r := m.Ready; m.To != west || r.Total != maxNames+5 || len(r.NotReady) != maxNames || r.More != 5 || !strings.HasSuffix(r.NotReady[0].Role, "r000") {
		t.Errorf("%+v", r)
	}
	if text := string(New(in).Markdown()); !strings.Contains(text, "2 days before") || !strings.Contains(text, "and 5 more") || !strings.Contains(text, "0 of 65 roles") {
		t.Error(text)
	}
}

// hostile is what a label or a value from outside may hold.
const hostile = "</td><script>alert(1)</script>|`x```|[a](javascript:x)![b](http://evil.example/p)<img src=x onerror=y>\x1b[31m\u202e_*~~&lt;"

// hostileInput has it wherever text comes from outside.
func hostileInput(t *testing.T, text string) Input {
	t.Helper()
	a := read(t, "a", "okta:custom-saml", atHome, text)
	a.Ref.Name = text
	a.Findings = []finding.Finding{{Code: finding.ForeignRelayState, What: text, Why: text}}
	b := read(t, "b", text, text, "")
	b.Findings = []finding.Finding{{Code: finding.ForeignACS, What: text}}
	in := input(a, b)
	in.Federation.Apps[0].Name, in.Apps[0].Ref = text, in.Federation.Apps[0]
	in.AdminURL = func(federation.AppRef) string { return "javascript:alert(1)//" + text }
	steps := []failover.HandStep{{App: federation.AppRef{Name: text}, AdminURL: text, Field: text, Current: text, Target: text}}
	in.Last = &LastMove{ID: text, At: now, To: west, Status: text, Remaining: steps, Back: steps}
	in.Contacts, in.Missing = []Contact{{text, text}}, []string{text}
	in.Roles = inventory.Snapshot{TakenAt: now, Accounts: []inventory.AccountScan{{Roles: []inventory.Role{{ARN: text,
		Regions: []inventory.RegionReadiness{{Region: west, State: inventory.NotReady, Finding: &finding.Finding{Subject: text, What: text, Why: text}}}}}}}}
	return in
}

// tags counts the elements of a page and collects where its links lead.
func tags(t *testing.T, page []byte) (count map[string]int, links []string) {
	t.Helper()
	count = map[string]int{}
	z := html.NewTokenizer(strings.NewReader(string(page)))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return count, links
		case html.StartTagToken, html.SelfClosingTagToken:
			tok := z.Token()
			count[tok.Data]++
			for _, a := range tok.Attr {
				if a.Key == "href" || a.Key == "src" {
					links = append(links, a.Val)
				}
				if strings.HasPrefix(a.Key, "on") {
					t.Errorf("<%s> has %s", tok.Data, a.Key)
				}
			}
		}
	}
}

// spec 13.7: text from outside adds no element, no link and no control
// character, whatever it holds.
func TestOutsideTextDoesNothing(t *testing.T) {
	t.Parallel()
	harmless := strings.Map(func(r rune) rune { // what breaks a line stays
		if strings.ContainsRune(breaks, r) {
			return r
		}
		return 'c'
	}, hostile)
	calm, err1 := New(hostileInput(t, harmless)).HTML()
	wild, err2 := New(hostileInput(t, hostile)).HTML()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	want, _ := tags(t, calm)
	got, links := tags(t, wild)
	for name, n := range got {
		if n != want[name] {
			t.Errorf("%d elements <%s>, and %d without the text", n, name, want[name])
		}
	}
	for _, l := range links {
		if strings.Contains(strings.ToLower(l), "javascript:") {
			t.Errorf("a link leads to %q", l)
		}
	}
	markdown := string(New(hostileInput(t, hostile)).Markdown())
	for name, page := range map[string]string{"HTML": string(wild), "Markdown": markdown} {
		if i := strings.IndexFunc(page, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' }); i >= 0 {
			t.Errorf("%s holds the character %q", name, page[i])
		}
	}
	outside := strip(markdown)
	for _, bad := range []string{"<script", "<img", "](", "http://evil"} {
		if strings.Contains(outside, bad) {
			t.Errorf("%q acts in the Markdown", bad)
		}
	}
	for i, line := range strings.Split(markdown, "\n") {
		if bars := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); strings.HasPrefix(line, "| ") && bars != 4 && bars != 5 {
			t.Errorf("line %d: the table's row was broken: %s", i, line)
		}
	}
	// The check can fail.
	if strip("a [b](c) `[d](e)`") != "a [b](c) " || strip(`\[b](c)`) != `b](c)` {
		t.Error("strip does not do what it is for")
	}
}

// strip leaves out code spans and escaped characters: what is left acts.
func strip(markdown string) string {
	var b strings.Builder
	for i := 0; i < len(markdown); i++ {
		switch markdown[i] {
		case '\\':
			i++
			if i < len(markdown) && !strings.ContainsRune("[]<>`*_|~&:\\", rune(markdown[i])) {
				b.WriteByte(markdown[i])
			}
		case '`':
			n := len(markdown[i:]) - len(strings.TrimLeft(markdown[i:], "`"))
			rest := markdown[i+n:]
			end := 0
			for end < len(rest) {
				j := strings.Index(rest[end:], strings.Repeat("`", n))
				if j < 0 {
					return b.String() + " an open code span"
				}
				end += j
				run := len(rest[end:]) - len(strings.TrimLeft(rest[end:], "`"))
				if run == n {
					break
				}
				end += run
			}
			i += n + end + n - 1
		default:
			b.WriteByte(markdown[i])
		}
	}
	return b.String()
}

func TestPageNeedsNothing(t *testing.T) {
	t.Parallel()
	page, err := New(input(read(t, "a", "okta:custom-saml", atHome, ""))).HTML()
	if err != nil {
		t.Fatal(err)
	}
	count, links := tags(t, page)
	if count["script"]+count["link"]+count["img"]+count["iframe"]+count["form"] > 0 {
		t.Errorf("the page needs or does more than it says: %v", count)
	}
	for _, l := range links {
		if !strings.HasPrefix(l, "https://acme-admin.okta.com/") {
			t.Errorf("a link to %s", l)
		}
	}
	for _, want := range []string{"prefers-color-scheme: dark", "@media print", "max-width: 40rem", "default-src 'none'"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// The pages of docs/idp say the same as the paper: each field by its name.
func TestDocsNameTheFields(t *testing.T) {
	t.Parallel()
	for kind, w := range ways() {
		vendor, _, _ := strings.Cut(kind, ":")
		text, err := os.ReadFile("../docs/idp/" + vendor + ".md")
		if err != nil {
			t.Fatal(err)
		}
		if kind == vendor && vendor != "onelogin" && vendor != "pingone" {
			continue // what is done about a kind that is not known
		}
		for _, c := range w.clicks {
			if !strings.Contains(string(text), c) {
				t.Errorf("docs/idp/%s.md lacks what the runbook says: %s", vendor, c)
			}
		}
	}
}

// What is copied by hand is all there, and no line of it ends at a hyphen of a
// name.
func TestPieces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":  nil,
		"-": {"-"},
		"https://us-west-2.signin.aws.amazon.com/saml": {"https://", "us-west-2.", "signin.", "aws.", "amazon.", "com/", "saml"},
		`["https://a-1.b/saml","https://c-2/"]`:        {`["https://`, "a-1.", "b/", `saml",`, `"https://`, "c-2/", `"]`},
		"/settings/signOn/ssoAcsUrl":                   {"/", "settings/", "signOn/", "ssoAcsUrl"},
	} {
		if got := pieces(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
}
