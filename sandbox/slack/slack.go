package slack

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// How long and how often a response_url is good ("Handling user interaction").
const (
	urlLasts = 30 * time.Minute
	urlUses  = 5
)

// User is a member of a workspace.
type User struct{ ID, Name string }

// Channel is a channel of a workspace; Bot says whether the app is in it.
type Channel struct {
	ID, Name string
	Bot      bool
}

// Message is one in a channel. Only is the person who alone sees it, "" for
// everybody. Edits counts how often it was changed.
type Message struct {
	TS      string  `json:"ts"`
	Channel string  `json:"channel"`
	Only    string  `json:"only,omitempty"`
	Text    string  `json:"text"`
	Blocks  []Block `json:"blocks,omitempty"`
	Edits   int     `json:"edits,omitempty"`
	// Past are the earlier texts, oldest first.
	Past []string `json:"past,omitempty"`
}

// All returns every text that a reader of the message sees, line by line.
func (m Message) All() string {
	var out []string
	for _, b := range m.Blocks {
		if b.Text != nil {
			out = append(out, b.Text.Text)
		}
		for _, e := range b.Elements {
			out = append(out, "["+e.Text.Text+"]")
		}
	}
	if len(out) == 0 {
		return m.Text
	}
	return strings.Join(out, "\n")
}

// Button returns the first button with this label.
func (m Message) Button(label string) (Element, bool) {
	for _, b := range m.Blocks {
		for _, e := range b.Elements {
			if e.Type == "button" && e.Text.Text == label {
				return e, true
			}
		}
	}
	return Element{}, false
}

// Calls reports whether reading the message would notify people or a channel:
// text that came from outside must never do that.
func (m Message) Calls() bool {
	return slices.ContainsFunc([]string{"<!", "<@", "<#"}, func(mark string) bool { return strings.Contains(m.All(), mark) || strings.Contains(m.Text, mark) })
}

// Options describe a workspace with the app installed. Retries are the waits
// before the second and later tries of a request that the app did not
// acknowledge; nil: those that the documentation of the Events API gives (at
// once, after a minute, after five), which is the worst case for a client, since
// that of slash commands and buttons gives none. Callback is what requests to
// the app go through; nil: a client that reaches loopback addresses only.
type Options struct {
	Team, Domain            string
	AppID                   string
	SigningSecret, BotToken string
	Users                   []User
	Channels                []Channel
	Retries                 []time.Duration
	Callback                http.RoundTripper
}

// Workspace is one workspace with one app. Safe for concurrent use.
type Workspace struct {
	o        Options
	callback http.RoundTripper

	mu       sync.Mutex
	commands string // callback URL of the slash command
	actions  string // callback URL of buttons
	messages []*Message
	hooks    map[string]*hook // response_urls by path
	last     int64            // microseconds of the newest ts
	serial   int
	posts    map[string]*bucket // by channel
	updates  *bucket
}

// hook is a response_url. Message is the one whose button made it, "" for a
// command's.
type hook struct {
	channel, user, message string
	made                   time.Time
	used                   int
}

// New makes a workspace.
func New(o Options) (*Workspace, error) {
	if o.Team == "" || o.SigningSecret == "" || len(o.Users) == 0 || len(o.Channels) == 0 {
		return nil, errors.New("make a Slack workspace: it needs an id, a signing secret, people and channels")
	}
	if o.Retries == nil {
		o.Retries = []time.Duration{0, time.Minute, 5 * time.Minute}
	}
	w := &Workspace{o: o, callback: o.Callback, hooks: map[string]*hook{}, posts: map[string]*bucket{}, updates: newBucket(50, time.Minute)}
	if w.callback == nil {
		w.callback = loopback()
	}
	return w, nil
}

// Options returns what the workspace was made of.
func (w *Workspace) Options() Options { return w.o }

// user finds a person by id or name.
func (w *Workspace) user(name string) (User, error) {
	i := slices.IndexFunc(w.o.Users, func(u User) bool { return u.ID == name || u.Name == name })
	if i < 0 {
		return User{}, fmt.Errorf("nobody in workspace %s is called %q", w.o.Team, name)
	}
	return w.o.Users[i], nil
}

// channel finds a channel by id or name.
func (w *Workspace) channel(name string) (Channel, error) {
	i := slices.IndexFunc(w.o.Channels, func(c Channel) bool { return c.ID == name || c.Name == strings.TrimPrefix(name, "#") })
	if i < 0 {
		return Channel{}, fmt.Errorf("workspace %s has no channel %q", w.o.Team, name)
	}
	return w.o.Channels[i], nil
}

// ts returns the name of a new message: seconds and microseconds, never the same
// twice. The caller holds the lock.
func (w *Workspace) ts() string {
	now := time.Now().UnixMicro()
	w.last = max(w.last+1, now)
	return fmt.Sprintf("%d.%06d", w.last/1e6, w.last%1e6)
}

// Messages returns what a person sees in a channel, oldest first; "" as the
// person sees what everybody does.
func (w *Workspace) Messages(channel, user string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Message
	for _, m := range w.messages {
		if m.Channel == channel && (m.Only == "" || m.Only == user) {
			out = append(out, m.copied())
		}
	}
	return out
}

// Seen is Messages by the channel's and the person's id or name.
func (w *Workspace) Seen(channel, user string) ([]Message, error) {
	c, err := w.channel(channel)
	if err != nil || user == "" {
		return w.Messages(c.ID, ""), err
	}
	u, err := w.user(user)
	if err != nil {
		return nil, err
	}
	return w.Messages(c.ID, u.ID), nil
}

// Newest returns the newest message in a channel that has a button with this
// label.
func (w *Workspace) Newest(channel, label string) (ts string, err error) {
	all, err := w.Seen(channel, "")
	if err != nil {
		return "", err
	}
	for _, m := range slices.Backward(all) {
		if _, ok := m.Button(label); ok {
			return m.TS, nil
		}
	}
	return "", fmt.Errorf("no message in %s has a button %q", channel, label)
}

func (m *Message) copied() Message {
	c := *m
	c.Blocks, c.Past = slices.Clone(m.Blocks), slices.Clone(m.Past)
	return c
}

// find returns a message that everybody sees. The caller holds the lock.
func (w *Workspace) find(channel, ts string) *Message {
	i := slices.IndexFunc(w.messages, func(m *Message) bool { return m.Channel == channel && m.TS == ts && m.Only == "" })
	if i < 0 {
		return nil
	}
	return w.messages[i]
}

// put adds a message. The caller holds the lock.
func (w *Workspace) put(channel, only string, c content) *Message {
	m := &Message{TS: w.ts(), Channel: channel, Only: only, Text: c.Text, Blocks: c.Blocks}
	w.messages = append(w.messages, m)
	return m
}

// become changes a message.
func (m *Message) become(c content) {
	m.Past = append(m.Past, m.All())
	m.Text, m.Blocks = c.Text, c.Blocks
	m.Edits++
}
