package signin

import (
	"fmt"
	"strings"
)

// RelayState is a landing page that we may write into an IdP app: empty, or an
// https URL on a console host of the catalogue. Only Rewrite and
// ParseRelayState make it. Values compare with ==.
type RelayState struct{ url string }

// String returns the URL or "".
func (s RelayState) String() string { return s.url }

// MarshalText encodes the URL.
func (s RelayState) MarshalText() ([]byte, error) { return []byte(s.url), nil }

// UnmarshalText checks the URL like ParseRelayState.
func (s *RelayState) UnmarshalText(b []byte) error {
	v, err := ParseRelayState(string(b))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

// ParseRelayState accepts "" or an https URL whose host is a console host of
// the catalogue or a Region-less console host.
func ParseRelayState(url string) (RelayState, error) {
	if url == "" {
		return RelayState{}, nil
	}
	if _, ok := splitConsole(url); !ok {
		return RelayState{}, fmt.Errorf("%q is not an https URL on an AWS console host", clip(url))
	}
	return RelayState{url}, nil
}

// Console returns the console home of r; an error says that none is known
// (isolated partitions).
func (r Region) Console() (RelayState, error) {
	e, ok := r.Endpoint()
	if !ok {
		return RelayState{}, fmt.Errorf("a console URL needs a Region")
	}
	if e.ConsoleHost == "" {
		return RelayState{}, fmt.Errorf("no console host is known for %s", r)
	}
	return RelayState{"https://" + e.ConsoleHost + "/"}, nil
}

// RelayMapping says what an exact RelayState becomes when an app moves to the
// Region of New. Both are written by the operator; New is catalogue-checked.
type RelayMapping struct {
	Old string     `json:"old"`
	New RelayState `json:"new"`
}

// RelayPolicy is a federation's choice for landing pages (spec 1.3).
type RelayPolicy struct {
	SetWhenEmpty bool           `json:"set_when_empty,omitempty"` // relaystate: set
	Map          []RelayMapping `json:"map,omitempty"`
}

// Target is where an app shall point: everything that an IdP adapter needs to
// compute its changes. From is the Region being left; it may be zero when
// unknown, then only a RelayState that names no Region is rewritten.
type Target struct {
	From  Region      `json:"from"`
	To    Region      `json:"to"`
	Relay RelayPolicy `json:"relay"`
}

// RelayOutcome says what Rewrite did with a RelayState, and why.
type RelayOutcome string

// The outcomes of Rewrite. Only RelayMoved, RelayMapped and RelaySet carry a
// new value.
const (
	RelayMoved         RelayOutcome = "moved"          // host and region= now name the target
	RelayMapped        RelayOutcome = "mapped"         // the federation's relaystate_map decided
	RelaySet           RelayOutcome = "set"            // was empty, the federation asks for a page
	RelayAlready       RelayOutcome = "already"        // names the target already
	RelayEmpty         RelayOutcome = "empty"          // empty stays empty
	RelayOtherRegion   RelayOutcome = "other-region"   // a deep link to a third Region stays
	RelayRegionalThing RelayOutcome = "regional-thing" // names a resource that exists in one Region only
	RelayOtherService  RelayOutcome = "other-service"  // an AWS host that is not the console
	RelayNoConsole     RelayOutcome = "no-console"     // the target Region has no known console host
	RelayForeign       RelayOutcome = "foreign"        // anything else: finding foreign-relaystate
)

// Changes reports whether the outcome carries a value to write.
func (o RelayOutcome) Changes() bool {
	return o == RelayMoved || o == RelayMapped || o == RelaySet
}

// regionlessConsoles maps the console hosts that name no Region to their
// partition.
var regionlessConsoles = map[string]Partition{
	"console.aws.amazon.com":       AWS,
	"console.amazonaws-us-gov.com": GovCloud,
	"console.amazonaws.cn":         China,
	"console.amazonaws-eusc.eu":    Sovereign,
}

// regionalPaths are console paths that name a resource living in one Region:
// changing the host alone would break the link. Amazon Connect: its guide,
// "SAML and Regional endpoints".
var regionalPaths = []string{"/connect/federate/"}

// otherServices are suffixes of AWS hosts that take part in SAML sign-on but
// are not the console (AppStream, WorkSpaces, QuickSight, Connect).
var otherServices = []string{".aws.amazon.com", ".awsapps.com", ".my.connect.aws"}

// consoleURL is a RelayState taken apart: host and everything behind it.
type consoleURL struct {
	host string
	rest string // from the first of / ? # on, verbatim
	row  *row   // nil on a Region-less console host
	part Partition
}

// splitConsole takes a URL on a console host apart; ok is false for any other
// text. It parses by hand on purpose: what a lenient URL parser would repair
// must count as foreign.
func splitConsole(url string) (consoleURL, bool) {
	host, rest, ok := splitHTTPS(url)
	if !ok {
		return consoleURL{}, false
	}
	if row := lookup().console[host]; row != nil {
		return consoleURL{host, rest, row, row.partition}, true
	}
	if p, ok := regionlessConsoles[host]; ok {
		return consoleURL{host, rest, nil, p}, true
	}
	return consoleURL{}, false
}

// splitHTTPS returns host and rest of a plain https URL; ok is false when the
// text holds anything outside printable ASCII, a backslash, a broken percent
// escape, or an authority with more than a lower-case DNS name.
func splitHTTPS(url string) (host, rest string, ok bool) {
	if len(url) > 4096 {
		return "", "", false
	}
	for i := range len(url) {
		c := url[i]
		if c <= ' ' || c >= 0x7f || c == '\\' || c == '%' && !hexPair(url[i+1:]) {
			return "", "", false
		}
	}
	tail, ok := strings.CutPrefix(url, "https://")
	if !ok {
		return "", "", false
	}
	end := strings.IndexAny(tail, "/?#")
	if end < 0 {
		end = len(tail)
	}
	host, rest = tail[:end], tail[end:]
	for i := range len(host) {
		if c := host[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return "", "", false
		}
	}
	return host, rest, host != "" && !strings.HasSuffix(host, ".") && !strings.HasPrefix(host, ".")
}

func hexPair(s string) bool {
	isHex := func(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }
	return len(s) >= 2 && isHex(s[0]) && isHex(s[1])
}

// Rewrite decides what the RelayState old of an app becomes when the app moves
// (spec 1.3). The returned value is meaningful only if the outcome Changes;
// otherwise old stays in the app exactly as it is.
func (t Target) Rewrite(old string) (RelayState, RelayOutcome) {
	for _, m := range t.Relay.Map {
		if u, ok := splitConsole(m.New.url); m.Old == old && ok && u.row != nil && u.row.region == t.To.code {
			return m.New, RelayMapped
		}
	}
	home, err := t.To.Console()
	if old == "" {
		switch {
		case !t.Relay.SetWhenEmpty:
			return RelayState{}, RelayEmpty
		case err != nil:
			return RelayState{}, RelayNoConsole
		}
		return home, RelaySet
	}
	u, ok := splitConsole(old)
	if !ok {
		host, _, plain := splitHTTPS(old)
		for _, s := range otherServices {
			if plain && strings.HasSuffix(host, s) {
				return RelayState{}, RelayOtherService
			}
		}
		return RelayState{}, RelayForeign
	}
	for _, p := range regionalPaths {
		if strings.HasPrefix(u.rest, p) {
			return RelayState{}, RelayRegionalThing
		}
	}
	switch named := u.region(); {
	case u.part != t.To.Partition():
		return RelayState{}, RelayOtherRegion
	case named != "" && named == t.To.code && u.row != nil:
		return RelayState{}, RelayAlready
	case named != "" && named != t.From.code && named != t.To.code:
		return RelayState{}, RelayOtherRegion
	case err != nil:
		return RelayState{}, RelayNoConsole
	}
	e, _ := t.To.Endpoint()
	return RelayState{"https://" + e.ConsoleHost + replaceRegion(u.rest, t.To.code)}, RelayMoved
}

// region returns the Region code that the URL names: its host's, else that of
// the first region= parameter, else "".
func (u consoleURL) region() string {
	if u.row != nil {
		return u.row.region
	}
	for _, s := range regionSpans(u.rest) {
		return u.rest[s[0]:s[1]]
	}
	return ""
}

// RegionOfRelayState returns the Region in which a person lands with this
// RelayState; ok is false when it names none or is no console URL.
func RegionOfRelayState(url string) (Region, bool) {
	u, ok := splitConsole(url)
	if !ok {
		return Region{}, false
	}
	r, err := ParseRegion(u.region())
	return r, err == nil
}

// regionSpans finds the value of every region= parameter whose value is a
// catalogue Region, in query and fragment.
func regionSpans(rest string) [][2]int {
	const key = "region="
	var out [][2]int
	start := strings.IndexAny(rest, "?#")
	if start < 0 {
		return nil
	}
	for i := start; i < len(rest); {
		j := strings.Index(rest[i:], key)
		if j < 0 {
			break
		}
		at := i + j
		from := at + len(key)
		to := from
		for to < len(rest) && !strings.ContainsRune("&;#?/:,", rune(rest[to])) {
			to++
		}
		if strings.IndexByte("?&#;/:,", rest[at-1]) >= 0 && lookup().region[rest[from:to]] != nil {
			out = append(out, [2]int{from, to})
		}
		i = from
	}
	return out
}

func replaceRegion(rest, code string) string {
	var b strings.Builder
	at := 0
	for _, s := range regionSpans(rest) {
		b.WriteString(rest[at:s[0]])
		b.WriteString(code)
		at = s[1]
	}
	b.WriteString(rest[at:])
	return b.String()
}
