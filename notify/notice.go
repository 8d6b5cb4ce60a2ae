package notify

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/finding"
)

// Event is a kind of news, as sinks choose them.
type Event string

// The events.
const (
	Page       Event = "page"       // a finding that needs a person now
	Suspect    Event = "suspect"    // a Region with apps in it is suspect
	Confirmed  Event = "confirmed"  // it is down by quorum
	Proposal   Event = "proposal"   // people are asked to decide
	Hold       Event = "hold"       // in an outage, a rule holds the move
	MoveBegun  Event = "move-begun" // also: goes on after a change of leader
	MoveEnded  Event = "move-ended"
	MoveFailed Event = "move-failed" // it ended and left apps behind
	Over       Event = "over"        // what was told of is over: told to whom it was told
	Config     Event = "config"      // what the controller may do, or who may tell it, changes; or a config is refused
	Test       Event = "test"
)

// Severity is in PagerDuty's words.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	Error    Severity = "error"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Kind is what a topic is about.
type Kind string

// The kinds of topics.
const (
	Outage  Kind = "outage"
	Moving  Kind = "move"
	Finding Kind = "page"
	Asked   Kind = "proposal"
	Trial   Kind = "test"
	Setup   Kind = "config" // is told and never open: it has no end to be told of
)

// Topic is what several notices are about, one after the other: an outage of a
// federation, a finding. It is open from the first of them until it is over.
type Topic struct {
	Kind       Kind         `json:"kind"`
	Federation string       `json:"federation,omitempty"` // "" for the store's findings
	Code       finding.Code `json:"code,omitempty"`
	Subject    string       `json:"subject,omitempty"`
}

// String names the topic, escaped: "outage workforce".
func (t Topic) String() string {
	parts := []string{string(t.Kind), t.Federation, string(t.Code), t.Subject}
	return escape.Terminal(strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " "))
}

// Notice is one message. Texts are as the program has them; each sink escapes
// them for its channel (spec 13.7). ID and Time are set by Tell.
type Notice struct {
	ID         string    `json:"id"`
	Event      Event     `json:"event"`
	Time       time.Time `json:"time"`
	Federation string    `json:"federation,omitempty"`
	Topic      Topic     `json:"topic"`
	Severity   Severity  `json:"severity"`
	Title      string    `json:"title"`
	Lines      []string  `json:"lines,omitempty"`
	UserText   []string  `json:"user_text,omitempty"` // for the people who sign in (spec 9.4)
	Move       string    `json:"move,omitempty"`
	// Closes says that the topic is over with this.
	Closes bool `json:"closes,omitempty"`
	// Key tells news from repetitions: it is told once while the topic is open,
	// with Ever once for all times. "" is always told.
	Key  string `json:"key,omitempty"`
	Ever bool   `json:"ever,omitempty"`
	// During is told only while its topic is open.
	During bool `json:"during,omitempty"`
	// Within is another topic that it belongs to while that one is open.
	Within *Topic `json:"within,omitempty"`
}

// shownLines bounds the lines of a message: a federation may have a thousand
// apps.
const shownLines = 15

func outageOf(federation string) Topic { return Topic{Kind: Outage, Federation: federation} }

// OfLoop is what there is to tell of an event of a federation's loop.
func OfLoop(e control.LoopEvent) (Notice, bool) {
	n := Notice{Time: e.Time, Federation: e.Federation, Topic: outageOf(e.Federation), Title: e.Text, Key: string(e.Kind)}
	switch e.Kind {
	case "suspect":
		n.Event, n.Severity = Suspect, Warning
	case "confirmed":
		n.Event, n.Severity = Confirmed, Critical
	case "cleared":
		n.Event, n.Severity, n.Closes, n.Key = Over, Info, true, ""
	case "proposal":
		n.Event, n.Severity = Proposal, Critical
		decided(&n, e.Decision)
	case "withdrawn":
		n.Event, n.Severity, n.During, n.Key = Proposal, Info, true, ""
	case "decision":
		if e.Decision == nil || !control.HoldsOutage(*e.Decision) {
			return Notice{}, false
		}
		n.Event, n.Severity, n.During = Hold, Error, true
		decided(&n, e.Decision)
	case "page":
		if e.Finding == nil {
			return Notice{}, false
		}
		return OfFinding(e.Federation, *e.Finding), true
	default:
		return Notice{}, false
	}
	return n, true
}

// decided puts a decision into a notice, in the words of explain.
func decided(n *Notice, d *control.Decision) {
	if d == nil {
		return
	}
	words := control.Words(*d)
	n.Title, n.Key = words[0], n.Key+"|"+d.Rule
	if d.WouldChange != "" {
		n.Lines = append(n.Lines, words[1])
	}
	if d.Plan != nil {
		n.Key += "|" + d.Plan.Digest
		n.Lines = append(n.Lines, d.Plan.Lines()...)
	}
	n.Lines = cut(n.Lines)
}

func cut(lines []string) []string {
	if len(lines) <= shownLines {
		return lines
	}
	return append(slices.Clone(lines[:shownLines-1]), "... and more; see: samlfailover status")
}

// OfFinding is what there is to tell of a finding that needs a person now;
// federation is "" for one about the store.
func OfFinding(federation string, f finding.Finding) Notice {
	return Notice{Event: Page, Federation: federation, Topic: Topic{Kind: Finding, Federation: federation, Code: f.Code, Subject: f.Subject},
		Severity: Error, Title: f.Error(), Lines: cut(f.EvidenceLines()), Key: "page"}
}

// OfMove is what there is to tell of an event of a move.
func OfMove(e control.MoveEvent) (Notice, bool) {
	within := outageOf(e.Federation)
	n := Notice{Time: e.Time, Federation: e.Federation, Topic: Topic{Kind: Moving, Federation: e.Federation}, Within: &within,
		Severity: Info, Move: string(e.Move), Ever: true}
	switch e.Kind {
	case "started":
		n.Event, n.Title, n.Key = MoveBegun, "Move "+n.Move+" has begun: "+e.Text, "begun "+n.Move
	case "resumed":
		n.Event, n.Title, n.Key, n.Ever = MoveBegun, "Move "+n.Move+" goes on: "+e.Text, "", false
	case "finished":
		if e.Result == nil {
			return Notice{}, false
		}
		ended(&n, *e.Result, e.Text)
	default:
		return Notice{}, false
	}
	return n, true
}

// OfResult is what there is to tell of a move that has ended, as its journal has
// it: in the words of the event that nobody may have been told.
func OfResult(r control.MoveResult) Notice {
	n, _ := OfMove(control.MoveEvent{Kind: "finished", Time: r.Finished, Federation: r.Federation, Move: r.ID, Text: control.ResultWords(r), Result: &r})
	return n
}

func ended(n *Notice, r control.MoveResult, text string) {
	n.Key = "ended " + n.Move
	n.UserText = r.UserText
	if !control.MoveIncomplete(r) {
		n.Event, n.Title, n.Closes = MoveEnded, "Move "+n.Move+" has ended: "+text, true
		return
	}
	n.Event, n.Severity, n.Title = MoveFailed, Critical, "Move "+n.Move+" left apps behind: "+text
	for _, s := range r.HandSteps {
		n.Lines = append(n.Lines, "by hand: app "+s.App.Name+", "+s.Field+": "+s.Current+" -> "+s.Target)
	}
	n.Lines = cut(n.Lines)
}

// plural counts things in words.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Trying is a message that somebody sends to see whether it arrives.
func Trying(by string, now time.Time) Notice {
	id := strings.ToLower(rand.Text()[:8])
	return Notice{ID: "test-" + id, Event: Test, Time: now, Topic: Topic{Kind: Trial, Subject: id}, Severity: Info,
		Title: "This is a test of samlfailover's notifications, sent by " + by + ". Nothing has happened.", Lines: []string{"What you would be told stands here."}}
}

// Change is one value of the config that changes, in words; Risk is what it
// means, "" where nobody has to hear of it.
type Change struct{ Path, Before, After, Risk string }

// OfReload is what there is to tell of a config that is about to be in force: the
// changes that somebody has to hear of (spec 15.3).
func OfReload(digest string, changes []Change) (Notice, bool) {
	n := Notice{Event: Config, Topic: Topic{Kind: Setup, Subject: digest}, Severity: Warning}
	var risks []string
	for _, c := range changes {
		if c.Risk == "" {
			continue
		}
		if !slices.Contains(risks, c.Risk) {
			risks = append(risks, c.Risk)
		}
		n.Lines = append(n.Lines, c.Path+": "+shown(c.Before)+" -> "+shown(c.After))
	}
	n.Title = "The config changes (digest " + digest + "): " + strings.Join(risks, "; ")
	n.Lines = cut(n.Lines)
	return n, len(risks) > 0
}

func shown(value string) string {
	if value == "" {
		return "(nothing)"
	}
	return value
}

// OfRefusal is what there is to tell of a config that is not taken.
func OfRefusal(problems []string) Notice {
	return Notice{Event: Config, Topic: Topic{Kind: Setup}, Severity: Warning,
		Title: "The config was read again and is refused; the one from before stays in force", Lines: cut(problems)}
}

// OfProposal is what there is to tell of a change of a proposal that somebody has
// made; the controller's own are told by its loop.
func OfProposal(p approval.Proposal) (Notice, bool) {
	n := Notice{Event: Proposal, Federation: p.Federation, Topic: Topic{Kind: Asked, Federation: p.Federation, Subject: p.ID}, Severity: Error, Key: string(p.State)}
	switch {
	case p.Own():
		return Notice{}, false
	case p.State == approval.Open && len(p.Votes) == 0:
		n.Title = fmt.Sprintf("%s proposes to %s: %s", p.By, p.What(), p.Reason)
		n.Lines = []string{fmt.Sprintf("%d to approve, until %s: samlfailover approve %s", p.Need, p.Expires.UTC().Format(time.RFC3339), p.ID)}
		if p.Plan != nil {
			n.Lines = cut(append(n.Lines, p.Plan.Lines()...))
		}
	case p.State.Final():
		n.Event, n.Severity, n.Closes = Over, Info, true
		n.Title = fmt.Sprintf("proposal %s is %s", p.ID, p.State)
		if p.Why != "" {
			n.Title += ": " + p.Why
		}
	default:
		return Notice{}, false
	}
	return n, true
}
