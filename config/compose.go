package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"github.com/samlfailover/samlfailover/federation"
)

// Draft is a federation to compose a config with. Base names the federation of
// the present config that it takes the place of, "" for a new one. Notes become
// comments above it.
type Draft struct {
	Base       string
	Federation federation.Federation
	Notes      []string
}

// Compose returns the text of a config to be kept at path: what this one says of
// everything but federations, and the drafts in mode observe. A draft with a
// Base keeps that federation's other keys. Secrets stay references, relative
// paths still mean the same files, and comments are not copied, because nobody
// has checked what they hold. The text is one that Load accepts; if that cannot
// be, the error says why.
func (c *Config) Compose(path string, drafts []Draft) ([]byte, error) {
	tree, bad := readTree(c.file, c.text)
	if bad != nil {
		return nil, &Error{[]Problem{*bad}}
	}
	root := plainCopy(tree)
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the folder of the new config %s: %w", path, err)
	}
	if filepath.Dir(full) != c.dir {
		c.rebase(root)
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, d := range drafts {
		list.Content = append(list.Content, d.node(valueOf(root, "federations")))
	}
	set(root, "federations", list)
	forget(root, drafts)
	var b bytes.Buffer
	b.WriteString(composedHeader)
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("write the new config as YAML: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("write the new config as YAML: %w", err)
	}
	if _, err := Parse(path, b.Bytes()); err != nil {
		return nil, fmt.Errorf("the new config would not load, so it was not made: %w", err)
	}
	return b.Bytes(), nil
}

const composedHeader = `# Made by: samlfailover idp apps --write-config
# Every federation below only observes. Read it through: names, the order of the
# Regions, which app is the lead. Then: samlfailover check, samlfailover trust plan.
`

// forget takes the federations that the new config does not have out of freezes
// and roles, and with its last federation the freeze, the role, and whoever has no
// role left.
func forget(root *yaml.Node, drafts []Draft) {
	gone := func(item *yaml.Node) bool {
		names := valueOf(item, "federations")
		if names == nil {
			return false
		}
		names.Content = slices.DeleteFunc(names.Content, func(n *yaml.Node) bool {
			return !slices.ContainsFunc(drafts, func(d Draft) bool { return d.Federation.Name == n.Value })
		})
		return len(names.Content) == 0
	}
	for _, list := range []string{"freeze", "people", "tokens", "groups"} {
		n := valueOf(root, list)
		if n == nil {
			continue
		}
		n.Content = slices.DeleteFunc(n.Content, func(item *yaml.Node) bool {
			roles := valueOf(item, "roles")
			if roles == nil {
				return gone(item)
			}
			roles.Content = slices.DeleteFunc(roles.Content, gone)
			return len(roles.Content) == 0
		})
	}
}

// plainCopy copies a tree without comments, and with what aliases stand for.
func plainCopy(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	out := &yaml.Node{Kind: n.Kind, Style: n.Style, Tag: n.Tag, Value: n.Value}
	for _, c := range n.Content {
		out.Content = append(out.Content, plainCopy(c))
	}
	return out
}

// rebase makes relative paths absolute, for a file in another folder.
func (c *Config) rebase(root *yaml.Node) {
	absolute := func(path string) {
		if n := nodeAt(root, path); n != nil && n.Value != "" && !filepath.IsAbs(n.Value) {
			n.Value = filepath.Join(c.dir, n.Value)
		}
	}
	for _, path := range relativePaths() {
		absolute(path)
	}
	for i := range c.federations {
		absolute(fmt.Sprintf("federations[%d].accounts_file", i))
	}
	for i := range c.Audit.Sinks {
		absolute(fmt.Sprintf("audit.sinks[%d].file", i))
	}
	for path, file := range c.references() {
		if n := nodeAt(root, path); n != nil {
			n.Value = "file:" + file
		}
	}
}

// relativePaths are the keys that hold a path relative to the config's folder; of
// a list its first item's.
func relativePaths() []string {
	return []string{"network.ca_file", "federations[0].accounts_file", "store.dir", "store.embedded.tls.cert", "store.embedded.tls.key", "store.embedded.tls.ca",
		"store.tls.cert", "store.tls.key", "store.tls.ca", "server.tls.cert", "server.tls.key", "server.client_ca",
		"schedules.audit_head_file", "audit.sinks[0].file", "runbook.dir"}
}

// nodeAt returns the value at a path as problems name it
// ("tenants[0].proof.password"), or nil.
func nodeAt(n *yaml.Node, path string) *yaml.Node {
	for part := range strings.SplitSeq(path, ".") {
		key, at, listed := strings.Cut(part, "[")
		if n = valueOf(n, key); !listed {
			continue
		}
		i, err := strconv.Atoi(strings.TrimSuffix(at, "]"))
		if n == nil || err != nil || i >= len(n.Content) {
			return nil
		}
		n = n.Content[i]
	}
	return n
}

// node is the draft as YAML; old are the federations of the present config.
func (d Draft) node(old *yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if old != nil && d.Base != "" {
		for _, f := range old.Content {
			if name := valueOf(f, "name"); name != nil && name.Value == d.Base {
				out = plainCopy(f)
			}
		}
	}
	f := d.Federation
	out.HeadComment = strings.Join(d.Notes, "\n")
	out.Style = 0
	set(out, "name", textNode(f.Name))
	set(out, "mode", textNode(string(federation.Observe)))
	var regions []string
	for _, r := range f.Regions {
		regions = append(regions, r.String())
	}
	set(out, "regions", texts(regions))
	set(out, "apps", appNodes(f))
	// What the organization has is not listed.
	f.Accounts = slices.DeleteFunc(slices.Clone(f.Accounts), func(a federation.Account) bool { return a.Found })
	if len(f.Accounts) > 0 || valueOf(out, "accounts") != nil {
		set(out, "accounts", accountNodes(f.Accounts))
		remove(out, "accounts_file") // its accounts are among them
	}
	return out
}

// appNodes leaves out a name that a config would not take: one of another shape,
// or one that is taken. The id then is the name.
func appNodes(f federation.Federation) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	taken := map[string]bool{}
	for _, a := range f.Members() {
		taken[strings.ToLower(a.ID)] = true
	}
	add := func(item *yaml.Node, a federation.AppRef) {
		if isLabel(a.Name) && !taken[strings.ToLower(a.Name)] {
			taken[strings.ToLower(a.Name)] = true
			set(item, "name", textNode(a.Name))
		}
		set(item, "tenant", textNode(a.Tenant))
		set(item, "id", textNode(a.ID))
	}
	for _, a := range f.Apps {
		item := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		add(item, a)
		standby := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, s := range f.StandbysOf(a) {
			one := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			set(one, "region", textNode(s.Region.String()))
			add(one, s.App)
			if s.Unhide {
				set(one, "unhide", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
			}
			standby.Content = append(standby.Content, one)
		}
		if len(standby.Content) > 0 {
			set(item, "standby", standby)
		}
		out.Content = append(out.Content, item)
	}
	return out
}

func accountNodes(accounts []federation.Account) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, a := range accounts {
		item := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		set(item, "id", textNode(a.ID))
		if isLabel(a.Name) {
			set(item, "name", textNode(a.Name))
		}
		set(item, "providers", texts(a.Providers))
		for _, p := range [][2]string{{"scan_role", a.ScanRole}, {"enforce_role", a.EnforceRole}, {"external_id", a.ExternalID}} {
			if p[1] != "" {
				set(item, p[0], textNode(p[1]))
			}
		}
		out.Content = append(out.Content, item)
	}
	return out
}

// isLabel reports whether a name has the shape of one, and none of the
// characters that no config may hold.
func isLabel(s string) bool {
	shape, _ := patternOf("label")
	_, odd := oddByte([]byte(s))
	return odd == "" && regexp.MustCompile(shape.expr).MatchString(s)
}

func textNode(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func texts(list []string) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	for _, s := range list {
		out.Content = append(out.Content, textNode(s))
	}
	return out
}

// valueOf returns the value of a key, or nil.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// remove takes a key out.
func remove(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

// set replaces the value of a key, or adds the key at the end.
func set(n *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = value
			return
		}
	}
	n.Content = append(n.Content, textNode(key), value)
}
