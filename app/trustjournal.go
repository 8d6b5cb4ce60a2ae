package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// trustJournal is the file in a run's folder that says what the run was asked
// for, what it was about to write and what became of each role, so that another
// run can finish it. A line is durable before the call returns. One process at a
// time: the run's audit file holds the lock.
type trustJournal struct{ path string }

// trustLine is one line: the request first, then writes and outcomes.
type trustLine struct {
	Plan    *fleet.TrustPlan `json:"plan,omitempty"`
	Ticket  string           `json:"ticket,omitempty"`
	Write   *fleet.Write     `json:"write,omitempty"`
	Outcome *fleet.Outcome   `json:"outcome,omitempty"`
}

// Begin keeps the request. The run that resumes another one says it again.
func (j trustJournal) Begin(plan fleet.TrustPlan, ticket string) error {
	return j.append(trustLine{Plan: &plan, Ticket: ticket})
}

// Intent keeps a write that is about to happen.
func (j trustJournal) Intent(w fleet.Write) error { return j.append(trustLine{Write: &w}) }

// Done keeps what became of a role.
func (j trustJournal) Done(o fleet.Outcome) error { return j.append(trustLine{Outcome: &o}) }

func (j trustJournal) append(l trustLine) error {
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode a line of the run's journal: %w", err)
	}
	f, err := os.OpenFile(j.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the run's journal: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the run's journal %s: %w", j.path, err)
	}
	return nil
}

// trustPast is what a journal holds.
type trustPast struct {
	plan   fleet.TrustPlan
	ticket string
	roles  map[string]fleet.Earlier // by ARN
}

// load reads the journal, to go on with it. A last line that was cut off while it
// was written is taken away: it stood for nothing that had happened yet.
func (j trustJournal) load() (trustPast, error) {
	text, err := os.ReadFile(j.path)
	if err != nil {
		return trustPast{}, fmt.Errorf("read the journal of the run: %w", err)
	}
	if whole := bytes.LastIndexByte(text, '\n') + 1; whole < len(text) {
		if err := os.Truncate(j.path, int64(whole)); err != nil {
			return trustPast{}, fmt.Errorf("take the torn last line off the journal of the run: %w", err)
		}
	}
	return j.look()
}

// look reads the journal and leaves it as it is: another process may be writing
// it.
func (j trustJournal) look() (trustPast, error) {
	out := trustPast{roles: map[string]fleet.Earlier{}}
	text, err := os.ReadFile(j.path)
	if err != nil {
		return out, fmt.Errorf("read the journal of the run: %w", err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	in := bufio.NewReader(bytes.NewReader(text))
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		var l trustLine
		if err := json.Unmarshal(line, &l); err != nil {
			return out, fmt.Errorf("read the journal of the run: line %d of %s is damaged: %w; make a new plan with: samlfailover trust apply", n, j.path, err)
		}
		out.take(l)
	}
	if out.plan.Federation == "" {
		return out, fmt.Errorf("the journal %s holds no plan; start anew with: samlfailover trust apply", filepath.Base(j.path))
	}
	return out, nil
}

func (p *trustPast) take(l trustLine) {
	switch {
	case l.Plan != nil:
		p.plan, p.ticket = *l.Plan, l.Ticket
	case l.Write != nil:
		p.roles[l.Write.Role] = fleet.Earlier{Write: l.Write}
	case l.Outcome != nil:
		e := p.roles[l.Outcome.Role]
		e.Outcome = l.Outcome
		p.roles[l.Outcome.Role] = e
	}
}
