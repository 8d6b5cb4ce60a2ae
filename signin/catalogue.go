package signin

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Partition is a separate AWS world with its own accounts and its own IAM, in
// AWS's spelling ("aws", "aws-us-gov", ...). A federation never spans two.
type Partition string

// The partitions of the catalogue.
const (
	AWS       Partition = "aws"
	China     Partition = "aws-cn"
	GovCloud  Partition = "aws-us-gov"
	Sovereign Partition = "aws-eusc"
	ISO       Partition = "aws-iso"
	ISOB      Partition = "aws-iso-b"
	ISOE      Partition = "aws-iso-e"
	ISOF      Partition = "aws-iso-f"
)

// mark says what about a row nobody has been able to check.
type mark uint8

const (
	samlPath mark = 1 << iota
	consoleUnknown
	consoleUnchecked
	bareHostThirdParty
	bareHostAssumed
	optInByRule
)

var markText = []struct {
	bit  mark
	text string
}{
	{samlPath, "the host is documented, that /saml is served there is not"},
	{consoleUnknown, "the console host is not known"},
	{consoleUnchecked, "the console host is documented but was not checked again"},
	{bareHostThirdParty, "that the bare host belongs to this Region is third-party knowledge"},
	{bareHostAssumed, "that the bare host belongs to this Region is assumed"},
	{optInByRule, "opt-in is deduced from the launch date"},
}

type row struct {
	partition   Partition
	region      string
	signinHost  string
	consoleHost string // "" when unknown
	stsHost     string
	optIn       bool
	unverified  mark
}

// Endpoint is what the catalogue knows about one Region. Hosts carry no scheme
// and no port; all of them speak HTTPS on 443.
type Endpoint struct {
	Partition   Partition
	Region      Region
	SignInHost  string
	ConsoleHost string   // empty when no console host is known (isolated partitions)
	STSHost     string   // Regional STS
	OptIn       bool     // accounts have to enable this Region themselves
	Unverified  []string // sentences; empty when every column is documented
}

func (r row) endpoint() Endpoint {
	e := Endpoint{Partition: r.partition, Region: Region{r.region}, SignInHost: r.signinHost,
		ConsoleHost: r.consoleHost, STSHost: r.stsHost, OptIn: r.optIn}
	for _, m := range markText {
		if r.unverified&m.bit != 0 {
			e.Unverified = append(e.Unverified, m.text)
		}
	}
	return e
}

// Catalogue returns every Region that has a sign-in endpoint, in a stable
// order: partition aws first, by Region code within a partition.
func Catalogue() []Endpoint {
	out := make([]Endpoint, len(rows))
	for i, r := range rows {
		out[i] = r.endpoint()
	}
	return out
}

// Partitions returns the partitions of the catalogue in catalogue order.
func Partitions() []Partition {
	var out []Partition
	for _, r := range rows {
		if !slices.Contains(out, r.partition) {
			out = append(out, r.partition)
		}
	}
	return out
}

// Regions returns the Regions of one partition. withOptIn adds those that an
// account has to enable first.
func Regions(p Partition, withOptIn bool) []Region {
	var out []Region
	for _, r := range rows {
		if r.partition == p && (withOptIn || !r.optIn) {
			out = append(out, Region{r.region})
		}
	}
	return out
}

// index finds rows by Region code and by host.
type index struct {
	region, signin, console map[string]*row
}

var lookup = sync.OnceValue(func() index {
	ix := index{map[string]*row{}, map[string]*row{}, map[string]*row{}}
	for i := range rows {
		r := &rows[i]
		ix.region[r.region] = r
		ix.signin[r.signinHost] = r
		if r.consoleHost != "" {
			ix.console[r.consoleHost] = r
		}
	}
	// Spec 1.2: understood when read, never written.
	ix.signin["us-east-1.signin.aws.amazon.com"] = ix.region["us-east-1"]
	return ix
})

// Region is an AWS Region that has a sign-in endpoint. The zero value is no
// Region; every other value is in the catalogue. Values compare with ==.
type Region struct{ code string }

// ParseRegion returns the Region with this code ("us-west-2"). The error names
// the nearest known code.
func ParseRegion(code string) (Region, error) {
	if _, ok := lookup().region[code]; ok {
		return Region{code}, nil
	}
	hint := ""
	if near := nearest(code); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return Region{}, fmt.Errorf("%q is not a Region with a SAML sign-in endpoint%s (list them with: samlfailover endpoints)", clip(code), hint)
}

// MustRegion is ParseRegion for codes written in source; it panics on others.
func MustRegion(code string) Region {
	r, err := ParseRegion(code)
	if err != nil {
		panic(err)
	}
	return r
}

// String returns the Region code, or "" for the zero value.
func (r Region) String() string { return r.code }

// IsZero reports whether r is no Region.
func (r Region) IsZero() bool { return r.code == "" }

// Endpoint returns what the catalogue knows about r; ok is false for the zero
// value.
func (r Region) Endpoint() (e Endpoint, ok bool) {
	if row := lookup().region[r.code]; row != nil {
		return row.endpoint(), true
	}
	return Endpoint{}, false
}

// Partition returns the partition of r, or "" for the zero value.
func (r Region) Partition() Partition {
	if row := lookup().region[r.code]; row != nil {
		return row.partition
	}
	return ""
}

// Compare orders Regions by code, for slices.SortFunc.
func (r Region) Compare(o Region) int { return strings.Compare(r.code, o.code) }

// MarshalText encodes the Region code; the zero value encodes as "".
func (r Region) MarshalText() ([]byte, error) { return []byte(r.code), nil }

// UnmarshalText accepts a catalogue Region code, or "" for the zero value.
func (r *Region) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*r = Region{}
		return nil
	}
	v, err := ParseRegion(string(b))
	if err != nil {
		return err
	}
	*r = v
	return nil
}

// RegionOfSTSHost returns the Region whose Regional STS has this host.
func RegionOfSTSHost(host string) (Region, bool) {
	for i := range rows {
		if rows[i].stsHost == host {
			return Region{rows[i].region}, true
		}
	}
	return Region{}, false
}

// nearest returns the Region code that a mistyped one most likely meant.
func nearest(code string) string {
	best, dist := "", 3
	if len(code) > 40 {
		return ""
	}
	for i := range rows {
		if d := editDistance(strings.ToLower(strings.TrimSpace(code)), rows[i].region); d < dist {
			best, dist = rows[i].region, d
		}
	}
	return best
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur := make([]int, len(b)+1)
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
		}
		prev = cur
	}
	return prev[len(b)]
}

// clip keeps an unknown text short enough for an error message.
func clip(s string) string {
	if len(s) > 120 {
		return s[:120] + "..."
	}
	return s
}
