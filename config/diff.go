package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/samlfailover/samlfailover/federation"
)

// Difference is one value that two configs do not share. A key that is absent is
// empty. A value that outside people must not read, such as an external id, is
// "(hidden)" on both sides.
type Difference struct {
	Path   string `json:"path"`
	Before string `json:"before"`
	After  string `json:"after"`
	// Risk says why the change is one that a person should hear of at once, ""
	// if it is not (spec 15.3).
	Risk string `json:"risk,omitempty"`
}

// hidden stands for a value that is compared and never shown.
const hidden = "(hidden)"

// Digest names what a config says: two configs with the same digest make the
// same controller. Where its state, its runbooks and copies of its audit record
// are kept, where it listens, and what its secrets are, is not part of it: each
// of several controllers has its own.
func (c *Config) Digest() string {
	h := sha256.New()
	values := c.flat()
	for _, path := range slices.Sorted(maps.Keys(values)) {
		if !ownOfMachine(path) {
			fmt.Fprintf(h, "%d %s %d %s\n", len(path), path, len(values[path].text), values[path].text)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// ownOfMachine reports whether a value may differ between controllers that work
// together.
func ownOfMachine(path string) bool {
	return slices.ContainsFunc([]string{"store.", "server.listen", "server.tls.", "server.client_ca", "server.hosts", "runbook.dir", "audit."}, func(p string) bool { return strings.HasPrefix(path, p) })
}

// Diff returns what changes from one config to another, in the order of the
// paths. Secrets never show: a config holds only references to them.
func Diff(before, after *Config) []Difference {
	a, b := before.flat(), after.flat()
	all := maps.Clone(a)
	maps.Copy(all, b)
	var out []Difference
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if a[path] == b[path] {
			continue
		}
		out = append(out, Difference{Path: path, Before: a[path].shown(), After: b[path].shown(), Risk: risk(path, a[path].text, b[path].text)})
	}
	return out
}

// value is one value of a config, as text.
type value struct {
	text   string
	hidden bool
}

func (v value) shown() string {
	if v.hidden {
		return hidden
	}
	return v.text
}

// flat returns every value of the config by its path. Items of a list go by
// their name, or their id.
func (c *Config) flat() map[string]value {
	out := map[string]value{}
	for name, section := range map[string]any{
		"network":     c.Network,
		"aws":         c.AWS,
		"tenants":     c.Tenants,
		"health":      c.Health,
		"moves":       c.Moves,
		"store":       c.Store,
		"server":      c.Server,
		"schedules":   c.Schedules,
		"freeze":      c.Freeze,
		"slack":       c.Slack,
		"notify":      c.Notify,
		"hooks":       c.Hooks,
		"people":      c.People,
		"tokens":      c.Tokens,
		"groups":      c.Groups,
		"runbook":     c.Runbook,
		"audit":       c.Audit,
		"federations": c.federations,
	} {
		flatten(out, name, reflect.ValueOf(section), false)
	}
	return out
}

func flatten(out map[string]value, path string, v reflect.Value, hide bool) {
	switch {
	case open(v.Type()):
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() {
				flatten(out, path+"."+key(f), v.Field(i), hide || f.Tag.Get("json") == "-")
			}
		}
	case v.Kind() == reflect.Slice && open(v.Type().Elem()):
		seen := map[string]bool{}
		for i := range v.Len() {
			name := itemName(v.Index(i))
			if name == "" || seen[name] {
				name = fmt.Sprint(i)
			}
			seen[name] = true
			flatten(out, path+"["+name+"]", v.Index(i), hide)
		}
	default:
		out[path] = value{fmt.Sprint(v.Interface()), hide}
	}
}

// open reports whether a type is a struct of settings; one without an exported
// field, such as a Region, is a value of its own.
func open(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			return true
		}
	}
	return false
}

// key is a field's name as the config or the API writes it.
func key(f reflect.StructField) string {
	for _, tag := range []string{"yaml", "json"} {
		if name, _, _ := strings.Cut(f.Tag.Get(tag), ","); name != "" && name != "-" {
			return name
		}
	}
	return strings.ToLower(f.Name)
}

// itemName tells the items of a list apart, whatever their order: by what the
// config keeps from standing twice.
func itemName(v reflect.Value) string {
	switch item := v.Interface().(type) {
	case federation.Account:
		return item.ID
	case federation.AppRef:
		return item.String()
	case federation.Federation:
		return item.Name
	case Tenant:
		return item.Name
	case Issuer:
		return item.Issuer
	case ProvenKind:
		return item.Kind
	case Person:
		return item.Name
	case SharedToken:
		return item.Name
	case Group:
		return item.Name
	case Sink:
		return item.Name
	case Hook:
		return item.Name
	case AuditSink:
		return item.Name
	}
	return ""
}

// risk says which of spec 15.3's dangers a change is.
func risk(path, before, after string) string {
	section, _, _ := strings.Cut(path, ".")
	list, _, _ := strings.Cut(section, "[")
	_, field, _ := strings.Cut(path, "].")
	switch {
	case list == "network" || list == "aws":
		return "how the controller reaches the world"
	case list == "audit":
		return "where the audit record is copied to"
	case list == "tenants":
		return "an identity provider's tenant"
	case list == "server":
		return "who reaches the controller over the network, and how they prove who they are"
	case list == "slack":
		return "who may ask and decide through Slack, and where that is told"
	case list == "notify":
		return "who is told of what"
	case list == "hooks":
		return "what an alert may ask for"
	case list == "people" || list == "tokens" || list == "groups":
		return "who may do what"
	case list == "freeze" && strings.HasSuffix(path, "].moves"):
		return "which moves a freeze holds"
	case list != "federations":
		return ""
	case field == "policy.mode" && rank(after) > rank(before):
		return "the controller may do more by itself"
	case field == "policy.approvals" && count(after) < count(before):
		return "fewer approvals are enough for a move"
	case field == "policy.approval_expires", field == "policy.escalate_after":
		return "how long a proposal waits for people"
	case field == "policy.accept_fewer_vantages" && after == "true":
		return "fewer vantages are enough for a move"
	case field == "policy.min_ready_share", field == "policy.share_over", strings.HasPrefix(field, "policy.exceptions"), strings.HasPrefix(field, "policy.must_be_ready"):
		return "which readiness a move needs"
	case strings.HasPrefix(field, "apps["), field == "lead":
		return "which apps move"
	case strings.HasPrefix(field, "accounts["), strings.HasPrefix(field, "organization."), strings.HasPrefix(field, "policy.owned_by"):
		return "which accounts and roles belong to the federation"
	case field == "regions", field == "partition", strings.HasPrefix(field, "policy.relay"):
		return "where people sign in"
	case field == "name":
		return "which federations there are"
	}
	return ""
}

// count reads a whole number; 0 for none.
func count(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// rank orders the modes by what the controller does on its own.
func rank(mode string) int {
	return slices.Index([]string{string(federation.Observe), string(federation.Approve), string(federation.Auto)}, mode)
}
