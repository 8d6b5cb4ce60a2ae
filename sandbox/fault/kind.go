package fault

import (
	"fmt"
	"strings"
	"time"
)

// Kind is what goes wrong.
type Kind string

// The kinds of fault. Each is described in kinds.
const (
	Down         Kind = "down"
	Refuse       Kind = "refuse"
	Blackhole    Kind = "blackhole"
	DNS          Kind = "dns"
	Stall        Kind = "stall"
	TLSExpired   Kind = "tls-expired"
	TLSWrongName Kind = "tls-wrong-name"
	ServerError  Kind = "5xx"
	Latency      Kind = "latency"
	Slow         Kind = "slow"
	Reset        Kind = "reset"
	Truncated    Kind = "truncated"
	Oversized    Kind = "oversized"
	WrongBody    Kind = "wrong-body"
	HTML         Kind = "html"
	Throttle     Kind = "throttle"
	AnswerLost   Kind = "answer-lost"
	Flap         Kind = "flap"
	ReadOnly     Kind = "read-only"
)

// Stage is the moment at which a kind acts.
type Stage int

// The stages: when a connection is opened, and when a request is answered.
const (
	Connect Stage = iota
	Request
)

// kind describes a Kind. A kind with needs set takes "=DURATION"; fallback is
// the duration when none is given (0 with needs: it must be given). cuts: a
// connection that was open before the fault began is hit as well. mode: it is a
// mode of the service, which not every one has.
type kind struct {
	Kind     Kind
	stage    Stage
	needs    bool
	fallback time.Duration
	cuts     bool
	mode     bool
	text     string
}

// kinds lists every kind in the order in which help shows them. A function, so
// that nobody can change the list.
func kinds() []kind {
	return []kind{
		{Kind: Down, stage: Connect, cuts: true, text: "as if the place were gone: connections are refused at once, open ones are cut"},
		{Kind: Refuse, stage: Connect, cuts: true, text: "connections are refused"},
		{Kind: Blackhole, stage: Connect, cuts: true, text: "nothing answers at all"},
		{Kind: DNS, stage: Connect, text: "the name does not resolve"},
		{Kind: Stall, stage: Connect, text: "TLS is set up, then nobody reads the request"},
		{Kind: TLSExpired, stage: Connect, text: "the certificate expired yesterday"},
		{Kind: TLSWrongName, stage: Connect, text: "the certificate is for another name"},
		{Kind: ServerError, stage: Request, text: "every answer is 503"},
		{Kind: Latency, stage: Request, needs: true, text: "answers come late, as in latency=300ms"},
		{Kind: Slow, stage: Request, needs: true, fallback: 20 * time.Second, text: "the body arrives in drops over 20 s, or slow=DURATION"},
		{Kind: Reset, stage: Request, text: "the connection breaks before the answer begins"},
		{Kind: Truncated, stage: Request, text: "the connection breaks in the middle of the body"},
		{Kind: Oversized, stage: Request, text: "the body is 16 MiB"},
		{Kind: WrongBody, stage: Request, text: "status and type are right, the body is not"},
		{Kind: HTML, stage: Request, text: "somebody else's HTML page with status 200, as a captive portal sends"},
		{Kind: Throttle, stage: Request, text: "too many requests, in the words of the service"},
		{Kind: AnswerLost, stage: Request, text: "the request is carried out, the answer never arrives"},
		{Kind: Flap, stage: Connect, needs: true, cuts: true, text: "refuses and works in turn, as in flap=5s"},
		{Kind: ReadOnly, stage: Request, mode: true, text: "reads work, writes are refused in the words of the service"},
	}
}

// describe returns the row of k.
func describe(k Kind) (kind, bool) {
	for _, row := range kinds() {
		if row.Kind == k {
			return row, true
		}
	}
	return kind{}, false
}

// Help returns one line per kind, for people: "latency=DURATION  answers ...".
func Help() []string {
	var out []string
	for _, row := range kinds() {
		name := string(row.Kind)
		if row.needs && row.fallback == 0 {
			name += "=DURATION"
		}
		out = append(out, fmt.Sprintf("%-16s %s", name, row.text))
	}
	return out
}

// Effect is a kind with its measure. Duration is 0 for kinds that have none.
type Effect struct {
	Kind     Kind
	Duration time.Duration
}

// maxDuration bounds what one answer may be delayed by.
const maxDuration = 10 * time.Minute

// ParseEffect reads "down", "latency=300ms", "slow" or "slow=8s".
func ParseEffect(text string) (Effect, error) {
	name, measure, given := strings.Cut(strings.ToLower(strings.TrimSpace(text)), "=")
	row, ok := describe(Kind(name))
	switch {
	case !ok:
		return Effect{}, fmt.Errorf("%q is not a kind of fault; there are: %s", clip(text), kindNames())
	case given && !row.needs:
		return Effect{}, fmt.Errorf("fault kind %q takes no value; write just %s", clip(text), name)
	case !given && row.needs && row.fallback == 0:
		return Effect{}, fmt.Errorf("fault kind %q needs a duration, as in %s=5s", clip(text), name)
	case !given:
		return Effect{Kind: row.Kind, Duration: row.fallback}, nil
	}
	d, err := time.ParseDuration(measure)
	if err != nil || d <= 0 || d > maxDuration {
		return Effect{}, fmt.Errorf("fault kind %q: the value has to be a duration between 1ns and %s, as in %s=5s", clip(text), maxDuration, name)
	}
	return Effect{Kind: row.Kind, Duration: d}, nil
}

// String is the text that ParseEffect reads.
func (e Effect) String() string {
	if e.Duration == 0 {
		return string(e.Kind)
	}
	return string(e.Kind) + "=" + e.Duration.String()
}

// MarshalText encodes the effect as its text.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText decodes what ParseEffect reads.
func (e *Effect) UnmarshalText(b []byte) (err error) {
	*e, err = ParseEffect(string(b))
	return err
}

func kindNames() string {
	var names []string
	for _, row := range kinds() {
		name := string(row.Kind)
		if row.needs && row.fallback == 0 {
			name += "=DURATION"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// clip keeps an unknown text short enough for an error message.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
