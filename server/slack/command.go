package slack

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/spelling"
)

// The verbs of the slash command.
const (
	verbStatus    = "status"
	verbPlan      = "plan"
	verbMove      = "move"
	verbProposals = "proposals"
	verbApprove   = "approve"
	verbReject    = "reject"
	verbPause     = "pause"
	verbResume    = "resume"
	verbReadiness = "readiness"
	verbHealth    = "health"
	verbHistory   = "history"
	verbExplain   = "explain"
	verbHelp      = "help"
)

// verb is one verb: what follows it, what it is for, and how that is read.
type verb struct {
	name, takes, says string
	// acts: it changes something, so it is kept before it is acknowledged.
	acts bool
	read func(*words, *command) error
}

// verbs returns the verbs in the order of the help.
func verbs() []verb {
	return []verb{
		{verbStatus, "[in FEDERATION]", "where people sign in now, and what the controller would do", false, readFederation},
		{verbPlan, "REGION [in FEDERATION]", "what a move would change, and whether a rule would hold it", false, readPlan},
		{verbMove, "REGION [in FEDERATION] REASON", "move the apps; where approvals are needed it becomes a proposal", true, readMove},
		{verbProposals, "[ID] [in FEDERATION]", "what waits for a decision; one of them with its buttons", false, readProposals},
		{verbApprove, "ID [COMMENT]", "approve a proposal; with enough approvals it is carried out", true, readVote},
		{verbReject, "ID REASON", "reject a proposal", true, readReject},
		{verbPause, "TIME [in FEDERATION] REASON", "keep moves from starting for a time, such as 2h", true, readPause},
		{verbResume, "[ID | all | in FEDERATION]", "release pauses", true, readResume},
		{verbReadiness, "[REGION] [in FEDERATION]", "how many roles could serve a Region, and why the others could not", false, readRegion},
		{verbHealth, "[REGION] [in FEDERATION]", "what the probes say of each Region", false, readRegion},
		{verbHistory, "[MOVE | NUMBER] [in FEDERATION]", "past and running moves", false, readHistory},
		{verbExplain, "[REGION] [in FEDERATION]", "why nothing moves, or would: the rule and the evidence", false, readRegion},
		{verbHelp, "[COMMAND]", "this list, or one command of it", false, readHelp},
	}
}

// command is what somebody typed, read. Only the fields of its verb are set.
type command struct {
	verb       string
	federation string
	region     string
	reason     string // also the comment of a vote
	id         string // of a proposal, pause or move
	lasts      string // of a pause
	all        bool
	count      int
	about      string // of help
}

// usageError says what is wrong with what somebody typed, and what to type.
type usageError struct{ what, next string }

func (e *usageError) Error() string { return e.what + "; next: " + e.next }

// parse reads the text behind the slash command. Words are separated by white
// space; verbs and "in" may be written in any case.
func parse(text string) (command, error) {
	w := &words{rest: unescape(text)}
	name := strings.ToLower(w.next())
	if name == "" {
		return command{verb: verbHelp}, nil
	}
	all := verbs()
	i := slices.IndexFunc(all, func(v verb) bool { return v.name == name })
	if i < 0 {
		var names []string
		for _, v := range all {
			names = append(names, v.name)
		}
		next := "type help for the list"
		if near := spelling.Closest(name, names); near != "" {
			next = "did you mean " + near + "? " + next
		}
		return command{}, &usageError{fmt.Sprintf("%s is no command", quoted(name)), next}
	}
	c := command{verb: all[i].name}
	if err := all[i].read(w, &c); err != nil {
		return command{}, err
	}
	if left := strings.TrimSpace(w.rest); left != "" {
		return command{}, all[i].wrong("%s is too much behind %s", quoted(left), name)
	}
	return c, nil
}

// acts reports whether a verb changes something.
func acts(name string) bool {
	return slices.ContainsFunc(verbs(), func(v verb) bool { return v.name == name && v.acts })
}

// find returns a verb by its name.
func find(name string) (verb, bool) {
	all := verbs()
	i := slices.IndexFunc(all, func(v verb) bool { return v.name == name })
	if i < 0 {
		return verb{}, false
	}
	return all[i], true
}

// wrong is an error of a verb that names its usage.
func (v verb) wrong(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...), "type " + strings.TrimSpace(v.name+" "+v.takes)}
}

// wrong is an error with the usage of a verb that exists.
func wrong(name, format string, args ...any) error {
	v, _ := find(name)
	return v.wrong(format, args...)
}

// words is what is left of a text.
type words struct{ rest string }

// next takes the next word, "" at the end.
func (w *words) next() string {
	s := strings.TrimLeftFunc(w.rest, unicode.IsSpace)
	i := strings.IndexFunc(s, unicode.IsSpace)
	if i < 0 {
		i = len(s)
	}
	w.rest = s[i:]
	return s[:i]
}

// peek returns the next word and leaves it.
func (w *words) peek() string {
	c := *w
	return c.next()
}

// all takes everything that is left.
func (w *words) all() string {
	s := strings.TrimSpace(w.rest)
	w.rest = ""
	return s
}

// in takes "in FEDERATION" if it is next.
func (w *words) in(c *command) error {
	if !strings.EqualFold(w.peek(), "in") {
		return nil
	}
	w.next()
	name := w.next()
	if name == "" {
		return wrong(c.verb, "the name of the federation is missing behind in")
	}
	c.federation = name
	return nil
}

func readFederation(w *words, c *command) error { return w.in(c) }

// readRegion reads [REGION] [in FEDERATION].
func readRegion(w *words, c *command) error {
	if next := w.peek(); next != "" && !strings.EqualFold(next, "in") {
		c.region = strings.ToLower(w.next())
	}
	return w.in(c)
}

func readPlan(w *words, c *command) error {
	if next := w.peek(); next == "" || strings.EqualFold(next, "in") {
		return wrong(c.verb, "the Region to move to is missing")
	}
	return readRegion(w, c)
}

func readMove(w *words, c *command) error {
	if strings.EqualFold(w.peek(), "to") {
		w.next() // as people say it
	}
	if err := readPlan(w, c); err != nil {
		return err
	}
	if c.reason = w.all(); c.reason == "" {
		return wrong(c.verb, "say why: the reason goes into the record that others will read")
	}
	return nil
}

// idShape is what ids of proposals, pauses and moves are made of.
var idShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$`)

func readVote(w *words, c *command) error {
	switch id := w.next(); {
	case id == "":
		return wrong(c.verb, "the id of the proposal is missing (proposals lists them)")
	case !idShape.MatchString(id):
		return wrong(c.verb, "%s is not the id of a proposal", quoted(id))
	default:
		c.id = id
	}
	c.reason = w.all()
	return nil
}

// readReject reads a vote that says why.
func readReject(w *words, c *command) error {
	if err := readVote(w, c); err != nil {
		return err
	}
	if c.reason == "" {
		return wrong(c.verb, "say why: the reason goes into the record that others will read")
	}
	return nil
}

// readProposals reads [ID] [in FEDERATION].
func readProposals(w *words, c *command) error {
	if next := w.peek(); next != "" && !strings.EqualFold(next, "in") {
		if c.id = w.next(); !idShape.MatchString(c.id) {
			return wrong(c.verb, "%s is not the id of a proposal", quoted(c.id))
		}
	}
	return w.in(c)
}

func readPause(w *words, c *command) error {
	c.lasts = w.next()
	if c.lasts == "" {
		return wrong(c.verb, "say how long, such as 2h or 30m")
	}
	if d, err := time.ParseDuration(c.lasts); err != nil || d <= 0 {
		return wrong(c.verb, "%s is no time that a pause can last; write it as 2h or 30m", quoted(c.lasts))
	}
	if err := w.in(c); err != nil {
		return err
	}
	if c.reason = w.all(); c.reason == "" {
		return wrong(c.verb, "say why: the reason goes into the record that others will read")
	}
	return nil
}

func readResume(w *words, c *command) error {
	switch next := w.peek(); {
	case strings.EqualFold(next, "all"):
		w.next()
		c.all = true
	case next == "" || strings.EqualFold(next, "in"):
		return w.in(c)
	case !idShape.MatchString(next):
		return wrong(c.verb, "%s is not the id of a pause", quoted(next))
	default:
		c.id = w.next()
	}
	return nil
}

// mostMoves is how many moves one answer shows at most.
const mostMoves = 20

func readHistory(w *words, c *command) error {
	if next := w.peek(); next != "" && !strings.EqualFold(next, "in") {
		w.next()
		n, err := strconv.Atoi(next)
		switch {
		case err == nil && (n < 1 || n > mostMoves):
			return wrong(c.verb, "%s moves cannot be shown; name a number from 1 to %d", quoted(next), mostMoves)
		case err == nil:
			c.count = n
		case !idShape.MatchString(next):
			return wrong(c.verb, "%s is neither the id of a move nor a number", quoted(next))
		default:
			c.id = next
		}
	}
	return w.in(c)
}

func readHelp(w *words, c *command) error {
	name := strings.ToLower(w.next())
	if _, ok := find(name); name != "" && !ok {
		return &usageError{quoted(name) + " is no command", "type help for the list"}
	}
	c.about = name
	return nil
}

// quoted shows a word of somebody else's in a message. It is escaped for Slack
// where the message is made.
func quoted(s string) string {
	const shown = 60
	s = escape.Terminal(s)
	if r := []rune(s); len(r) > shown {
		s = string(r[:shown]) + "..."
	}
	return `"` + s + `"`
}

// unescape undoes what Slack does to the three characters that control its own
// formatting; nothing else is an entity there.
func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}
