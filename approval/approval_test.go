package approval

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/people"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// as is a person, by a way in, who is approver everywhere.
func as(person string, way people.Way) people.Caller {
	return people.Caller{Person: person, Name: person, Way: way, ID: person + "@" + string(way), Grants: people.Grants{people.Everywhere: people.Approver}}
}

// proposed is ann's open proposal, for which n have to approve.
func proposed(n int) Proposal {
	return Proposal{ID: "prop-1", Federation: "corp", Digest: "d1", By: From(as("ann", people.Token)), Created: now, Expires: now.Add(30 * time.Minute),
		Need: Needs(From(as("ann", people.Token)), n), State: Open, Config: "c0ffee", Epoch: 1}
}

// approved votes for each in turn; every one of them must be taken.
func approved(t *testing.T, p Proposal, voters ...people.Caller) Proposal {
	t.Helper()
	for _, c := range voters {
		next, err := p.Approve(c, "", "", now)
		if err != nil {
			t.Fatal(err)
		}
		p = next
	}
	return p
}

// spec 13.2 spec 13.3 spec 13.4: who counts, and what is refused.
func TestApprove(t *testing.T) {
	t.Parallel()
	nobody := as("", people.Socket)
	nobody.Name = "root"
	viewer := as("bob", people.Token)
	viewer.Grants = people.Grants{people.Everywhere: people.Operator}
	elsewhere := as("bob", people.Token)
	elsewhere.Grants = people.Grants{"other": people.Admin}
	shared := as("", people.SharedToken)
	shared.Name, shared.Grants = "rundeck", people.Grants{people.Everywhere: people.Admin}
	forged := as("bob", people.SharedToken) // a shared token that says whose it is
	hook := as("bob", people.Hook)
	late := proposed(1)
	late.Expires = now
	for _, row := range []struct {
		why   string
		p     Proposal
		c     people.Caller
		shown string
		code  Code
		state State
	}{
		{"another person", proposed(1), as("bob", people.Token), "", "", Approved},
		{"what was shown is what it is", proposed(1), as("bob", people.Slack), "d1", "", Approved},
		{"one of two", proposed(2), as("bob", people.Token), "", "", Open},
		{"the second of two", approved(t, proposed(2), as("bob", people.Token)), as("eve", people.Socket), "", "", Approved},
		{"Slack and a token", approved(t, proposed(2), as("bob", people.Slack)), as("eve", people.Token), "", "", Approved},
		{"oneself", proposed(1), as("ann", people.Token), "", SelfApproval, Open},
		{"oneself by another way", proposed(1), as("ann", people.Slack), "", SelfApproval, Open},
		{"the same person twice", approved(t, proposed(2), as("bob", people.Token)), as("bob", people.Token), "", VotedAlready, Open},
		{"the same person by another way", approved(t, proposed(2), as("bob", people.Token)), as("bob", people.Certificate), "", VotedAlready, Open},
		{"the same person by Slack later", approved(t, proposed(2), as("bob", people.Token)), as("bob", people.Slack), "", VotedAlready, Open},
		{"two Slack approvals where two are needed", approved(t, proposed(2), as("bob", people.Slack)), as("eve", people.Slack), "", SlackOnce, Open},
		{"who used Slack may come again outside it", approved(t, proposed(2), as("bob", people.Slack)), as("bob", people.Token), "", "", Open},
		{"and frees Slack for another", approved(t, proposed(2), as("bob", people.Slack), as("bob", people.Token)), as("eve", people.Slack), "", "", Approved},
		{"nobody's OS user", proposed(1), nobody, "", NotAPerson, Open},
		{"a shared token", proposed(1), shared, "", NotAPerson, Open},
		{"a shared token in a person's name", proposed(1), forged, "", NotAPerson, Open},
		{"a hook in a person's name", proposed(1), hook, "", NotAPerson, Open},
		{"no approver", proposed(1), viewer, "", NoRole, Open},
		{"an approver of another federation", proposed(1), elsewhere, "", NoRole, Open},
		{"shown something else", proposed(1), as("bob", people.Slack), "d0", Changed, Open},
		{"too late", late, as("bob", people.Token), "", Closed, Expired},
		{"approved by enough already", approved(t, proposed(1), as("bob", people.Token)), as("eve", people.Token), "", Closed, Approved},
		{"rejected", proposed(1).end(Rejected, "no", now), as("bob", people.Token), "", Closed, Rejected},
		{"void", proposed(1).Voided("the config changed", now), as("bob", people.Token), "", Closed, Void},
		{"carried out", proposed(1).Carried("m1", now), as("bob", people.Token), "", Closed, Done},
	} {
		before := row.p.Count()
		got, err := row.p.Approve(row.c, row.shown, "looks good", now)
		var refusal *Refusal
		if row.code != "" && (!errors.As(err, &refusal) || refusal.Code != row.code || refusal.Why == "" || got.Count() != before) || row.code == "" && err != nil {
			t.Errorf("%s: %v, want %q", row.why, err, row.code)
		}
		if got.State != row.state {
			t.Errorf("%s: it is %s, want %s", row.why, got.State, row.state)
		}
	}
}

// spec 13.3: the controller has no requester; a name that is nobody's may be one
// of the approvers, so it takes one more.
func TestNeeds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why             string
		by              Requester
		approvals, want int
	}{
		{"the controller where none are needed", Itself(), 0, 1},
		{"the controller where two are", Itself(), 2, 2},
		{"a person", From(as("ann", people.Token)), 1, 1},
		{"a person who asks for a proposal", From(as("ann", people.Token)), 0, 1},
		{"a hook", From(people.Caller{Name: "pager", Way: people.Hook}), 1, 1},
		{"a shared token", From(people.Caller{Name: "ci", Way: people.SharedToken}), 1, 2},
		{"an OS user whom nobody mapped", From(people.Local("root", people.Socket)), 1, 2},
	} {
		if got := Needs(row.by, row.approvals); got != row.want {
			t.Errorf("%s: %d, want %d", row.why, got, row.want)
		}
	}
	own := proposed(1)
	own.By = Itself()
	if got := approved(t, own, as("ann", people.Slack)); got.State != Approved || !got.Own() {
		t.Errorf("one approver does not suffice for the controller's own: %+v", got)
	}
}

func TestReject(t *testing.T) {
	t.Parallel()
	stranger := as("bob", people.Token)
	stranger.Grants = people.Grants{people.Everywhere: people.Operator}
	author := as("ann", people.Socket)
	author.Grants = stranger.Grants
	machine := people.Caller{Name: "ci", Way: people.SharedToken, Grants: people.Grants{people.Everywhere: people.Operator}}
	byMachine := proposed(1)
	byMachine.By = From(machine)
	for _, row := range []struct {
		why  string
		p    Proposal
		c    people.Caller
		code Code
	}{
		{"an approver", proposed(1), as("bob", people.Slack), ""},
		{"who proposed it", proposed(1), author, ""},
		{"a machine that proposed it", byMachine, machine, ""},
		{"a machine that did not", proposed(1), machine, NoRole},
		{"an operator who did not", proposed(1), stranger, NoRole},
		{"a hook", proposed(1), as("bob", people.Hook), NoRole},
		{"after the end", proposed(1).Voided("x", now), as("bob", people.Token), Closed},
	} {
		got, err := row.p.Reject(row.c, "", "not now", now)
		var refusal *Refusal
		if row.code != "" && (!errors.As(err, &refusal) || refusal.Code != row.code) || row.code == "" && (err != nil || got.State != Rejected || !strings.Contains(got.Why, "not now")) {
			t.Errorf("%s: %v %+v", row.why, err, got)
		}
	}
}

// spec 13.3 spec 13.4 spec 15.3
func TestExpiryAndVoid(t *testing.T) {
	t.Parallel()
	p := proposed(1)
	if p.At(p.Expires.Add(-1)).State != Open || p.At(p.Expires).State != Expired {
		t.Error("an open proposal ends at another moment than it says")
	}
	last, err := p.Approve(as("bob", people.Token), "", "", p.Expires.Add(-1))
	if err != nil || last.At(p.Expires).State != Approved || last.At(p.Expires.Add(carryWithin)).State != Expired {
		t.Errorf("approved at the last moment it cannot be carried out: %+v %v", last, err)
	}
	if done := last.Carried("m1", now); done.At(now.Add(24*time.Hour)).State != Done {
		t.Error("what was carried out expires")
	}
	for why, want := range map[string]bool{p.Binds("c0ffee", 1): true, p.Binds("other", 1): false, p.Binds("c0ffee", 2): false} {
		if (why == "") != want {
			t.Errorf("it stands: %v, want %v", why, want)
		}
	}
}

// counter is a way of counting approvals.
type counter func(Proposal) int

// naive counts votes, as one would without spec 13.2; bySlack forgets that all of
// Slack counts once.
func naive(p Proposal) int { return len(p.Votes) }
func bySlack(p Proposal) int {
	seen := map[string]bool{}
	for _, v := range p.Votes {
		seen[v.Person] = true
	}
	return len(seen)
}

// oversold says what is wrong with a count, "" for nothing.
func oversold(p Proposal, count counter) string {
	persons, slackOnly := map[string]bool{}, map[string]bool{}
	for _, v := range p.Votes {
		if v.Person == "" || v.Person == p.By.Person || v.Way == people.SharedToken || v.Way == people.Hook {
			return "a vote that may not be"
		}
		if v.Way == people.Slack {
			slackOnly[v.Person] = true
		} else {
			persons[v.Person] = true
		}
	}
	for one := range persons {
		delete(slackOnly, one)
	}
	switch got := count(p); {
	case got > len(persons)+min(1, len(slackOnly)):
		return "more than there are people"
	case p.State == Approved && got < p.Need:
		return "approved with too few"
	}
	return ""
}

// spec 13.2: whatever is tried in whatever order, what counts are people, once
// each, Slack once in all, and never the one who asks.
func TestCountIsOfPeople(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := proposed(rapid.IntRange(1, 3).Draw(t, "approvals"))
		for range rapid.IntRange(0, 12).Draw(t, "tries") {
			c := as(rapid.SampledFrom([]string{"ann", "bob", "eve", "joe", ""}).Draw(t, "person"),
				rapid.SampledFrom([]people.Way{people.Slack, people.Slack, people.Token, people.Socket, people.OIDC, people.Certificate, people.SharedToken, people.Hook}).Draw(t, "way"))
			next, err := p.Approve(c, "", "", now)
			if err == nil && next.Count() < p.Count() {
				t.Fatalf("an approval took one away: %+v", next.Votes)
			}
			p = next
			if why := oversold(p, Proposal.Count); why != "" {
				t.Fatalf("%s: %+v", why, p)
			}
			if (p.Missing() == 0) != (p.State == Approved) {
				t.Fatalf("%s with %d missing", p.State, p.Missing())
			}
		}
	})
	both := proposed(3)
	both.Votes = []Vote{{Person: "bob", Way: people.Slack}, {Person: "eve", Way: people.Slack}, {Person: "bob", Way: people.Token}}
	if oversold(both, Proposal.Count) != "" || oversold(both, naive) == "" {
		t.Error("a count of votes passes for one of people")
	}
	both.Votes = both.Votes[:2]
	if oversold(both, Proposal.Count) != "" || oversold(both, bySlack) == "" {
		t.Error("a count that takes each Slack user passes")
	}
}

// What failover gets is what was approved. spec 13.4
func TestApproval(t *testing.T) {
	t.Parallel()
	p := approved(t, proposed(2), as("bob", people.Slack), as("bob", people.Token), as("eve", people.Slack))
	a := p.Approval()
	if a.Digest != "d1" || a.Count != 2 || strings.Join(a.By, " ") != "bob eve" || a.Proposal != "prop-1" {
		t.Errorf("%+v", a)
	}
	p.Request = failover.Request{Undoes: &failover.Undoing{Move: "m1"}}
	if p.What() != "undo move m1" {
		t.Error(p.What())
	}
}
