package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/people"
)

const (
	// announceGap is how often the proposals are looked at.
	announceGap = 2 * time.Second
	// announcedPrefix begins the keys, on the desk, of the messages that announce
	// proposals.
	announcedPrefix = "announced-"
)

// announced is the message that announces a proposal, and what it says now.
type announced struct {
	TS   string `json:"ts"`
	Says string `json:"says"` // a digest
}

// announces reports whether proposals are announced: that needs a channel and a
// bot that can post there.
func (a *App) announces() bool { return a.o.Announce != "" && a.wire.posts() }

// herald announces proposals. One goroutine uses it.
type herald struct {
	a    *App
	desk Desk
	all  map[string]announced // by the proposal's id
	over map[string]bool      // proposals of which the end was told
}

// announce posts every proposal into the channel of announcements, with its
// buttons, and edits the message as the proposal becomes another, until its end.
func (a *App) announce(ctx context.Context, desk Desk) {
	h := &herald{a: a, desk: desk, over: map[string]bool{}}
	failed := false
	for ; ctx.Err() == nil; pause(ctx, announceGap) {
		err := h.look(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			a.o.Log.Warn("proposals cannot be announced in Slack now; it is tried again", "channel", escape.Terminal(a.o.Announce), "error", err)
		}
		if failed = err != nil; failed {
			pause(ctx, editGap)
		}
	}
}

// watcher is who reads the proposals that are announced: the channel is told of
// those of every federation.
func watcher() people.Caller {
	return people.Caller{Name: "announcements", Way: people.Slack, Grants: people.Grants{people.Everywhere: people.Viewer}}
}

// look brings every announcement up to what its proposal is now.
func (h *herald) look(ctx context.Context) error {
	if h.a.use.Load() == nil {
		return nil
	}
	if h.all == nil {
		if err := h.load(ctx); err != nil {
			return err
		}
	}
	l, err := h.a.uses().Proposals(ctx, watcher(), control.ProposalsRequest{All: true})
	if err != nil {
		return err
	}
	for _, p := range l.Proposals {
		if err := h.tell(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// load reads what an earlier leadership has announced.
func (h *herald) load(ctx context.Context) error {
	waiting, err := h.desk.All(ctx)
	if err != nil {
		return err
	}
	h.all = map[string]announced{}
	for key, raw := range waiting {
		var m announced
		if len(key) > len(announcedPrefix) && key[:len(announcedPrefix)] == announcedPrefix && json.Unmarshal(raw, &m) == nil {
			h.all[key[len(announcedPrefix):]] = m
		}
	}
	return nil
}

// tell announces a proposal, or edits the announcement. What is being carried
// out is told by whoever carries it out.
func (h *herald) tell(ctx context.Context, p approval.Proposal) error {
	m, known := h.all[p.ID]
	if h.over[p.ID] || !known && p.State.Final() || known && p.State == approval.Approved {
		return nil
	}
	j := &job{a: h.a, use: h.a.uses(), actor: watcher()}
	says, over := j.voted(ctx, p)
	if !over {
		return nil
	}
	sum := sha256.Sum256([]byte(string(p.State) + string(encode(proposalPage(p)))))
	digest := hex.EncodeToString(sum[:8])
	if known && m.Says == digest {
		return nil
	}
	s := &sheet{wire: h.a.wire, channel: h.a.o.Announce, ts: m.TS}
	if err := s.show(ctx, says, true); err != nil {
		return err
	}
	h.all[p.ID] = announced{TS: s.ts, Says: digest}
	if p.State.Final() {
		h.over[p.ID] = true
		delete(h.all, p.ID)
		return h.desk.Delete(ctx, announcedPrefix+p.ID)
	}
	return h.desk.Put(ctx, announcedPrefix+p.ID, encode(h.all[p.ID]))
}
