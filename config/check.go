package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// direct is the proxy setting for none, whatever the environment says.
const direct = "direct"

// checker looks at what the decoder cannot see: how values fit together. Values
// that the decoder refused are zero and are passed over in silence.
type checker struct {
	*decoder
	dir      string
	doc      *document
	warnings []Problem
	// owners of what may belong to one federation only (spec 2.11)
	apps, providers map[string]string
}

// check returns the config; it is usable only if no problem was recorded.
func (c *checker) check() *Config {
	c.apps, c.providers = map[string]string{}, map[string]string{}
	c.network()
	c.aws()
	c.tenants()
	c.health()
	c.moves()
	c.store()
	c.server()
	c.schedules()
	c.freezes()
	c.slack()
	c.sinks()
	c.hooks()
	c.runbook()
	c.audit()
	out := &Config{file: c.file, dir: c.dir, places: c.at}
	c.names("federations", len(c.doc.Federations), func(i int) string { return c.doc.Federations[i].Name })
	for i := range c.doc.Federations {
		out.federations = append(out.federations, c.federation(i))
	}
	c.people()
	c.holes()
	c.partitions()
	c.unused()
	out.Network, out.AWS, out.Tenants = c.doc.Network, c.doc.AWS, c.doc.Tenants
	out.Health, out.Moves, out.Store, out.Schedules = c.doc.Health, c.doc.Moves, c.doc.Store, c.doc.Schedules
	out.Freeze, out.People, out.Tokens, out.Groups = c.doc.Freeze, c.doc.People, c.doc.Tokens, c.doc.Groups
	out.Server = c.doc.Server
	out.Slack = c.doc.Slack
	out.Notify = c.doc.Notify
	out.Hooks = c.doc.Hooks
	out.Runbook, out.Audit = c.doc.Runbook, c.doc.Audit
	out.Warnings = c.warnings
	return out
}

// problem builds a problem at the value of path, or at the nearest place above.
func (c *checker) problem(path, message, remedy string) Problem {
	at, look := c.at[path], path
	for at == (Pos{}) && look != "" {
		look = look[:max(0, strings.LastIndexAny(look, ".["))]
		at = c.at[look]
	}
	return Problem{File: c.file, Pos: at, Path: path, Message: message, Remedy: remedy, Code: finding.ConfigInvalid}
}

func (c *checker) fail(path, message, remedy string) {
	c.problems = append(c.problems, c.problem(path, message, remedy))
}

func (c *checker) warn(path, message, remedy string) {
	c.warnings = append(c.warnings, c.problem(path, message, remedy))
}

// names refuses a name that stands twice in a list, whatever its case: names
// become file names and words typed in a hurry.
func (c *checker) names(list string, n int, name func(int) string) {
	first := map[string]int{}
	for i := range n {
		key := strings.ToLower(name(i))
		if j, ok := first[key]; ok && key != "" {
			c.fail(fmt.Sprintf("%s[%d].name", list, i), fmt.Sprintf("the name %q is taken by number %d", name(i), j+1), "choose another name")
			continue
		}
		first[key] = i
	}
}

func (c *checker) network() {
	n := &c.doc.Network
	if n.CAFile != "" && !filepath.IsAbs(n.CAFile) {
		n.CAFile = filepath.Join(c.dir, n.CAFile)
	}
	if n.Proxy == "" || n.Proxy == direct || isRef(n.Proxy) {
		return
	}
	u, err := url.Parse(n.Proxy)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		c.fail("network.proxy", "this is not the URL of a proxy", "write it as http://proxy.example:3128, or direct for none")
	case u.User != nil:
		c.fail("network.proxy", "the proxy URL holds a user name or a password", "put the whole URL into a variable or a file and write env:NAME or file:PATH")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		c.fail("network.proxy", "a proxy URL has no path", "write it as http://proxy.example:3128")
	}
}

func (c *checker) aws() {
	a := c.doc.AWS
	keys := a.AccessKeyID != "" || a.SecretAccessKey != "" || a.SessionToken != ""
	switch {
	case keys && a.Profile != "":
		c.fail("aws.profile", "keys and a profile are both given", "keep one of them")
	case a.AccessKeyID != "" && a.SecretAccessKey == "":
		c.missing("aws", "secret_access_key", "an access key id alone signs nothing")
	case a.AccessKeyID == "" && keys:
		c.missing("aws", "access_key_id", "a secret key or session token needs its access key id")
	}
	for i, r := range a.FallbackRegions {
		path := fmt.Sprintf("aws.fallback_regions[%d]", i)
		switch {
		case r.IsZero():
		case a.Region.IsZero():
			c.fail(path, "fallback Regions without aws.region", "name the first choice in aws.region")
		case r == a.Region:
			c.fail(path, fmt.Sprintf("%s is aws.region already", r), "remove it here")
		case r.Partition() != a.Region.Partition():
			c.fail(path, fmt.Sprintf("%s is in partition %s, aws.region %s in %s", r, r.Partition(), a.Region, a.Region.Partition()), "credentials work in one partition only: choose Regions of one")
		}
	}
}

// missing reports an absent key of a section, unless the decoder refused its
// value.
func (c *checker) missing(section, key, why string) {
	if _, written := c.at[section+"."+key]; !written {
		c.fail(section, fmt.Sprintf("the key %q is missing: %s", key, why), "add it")
	}
}

func (c *checker) tenants() {
	c.names("tenants", len(c.doc.Tenants), func(i int) string { return c.doc.Tenants[i].Name })
	first := map[string]int{}
	for i := range c.doc.Tenants {
		t, path := &c.doc.Tenants[i], fmt.Sprintf("tenants[%d].url", i)
		c.credential(t.Kind, fmt.Sprintf("tenants[%d]", i))
		c.provenKinds(*t, fmt.Sprintf("tenants[%d].proven_kinds", i))
		c.proof(*t, fmt.Sprintf("tenants[%d]", i))
		if t.URL == "" {
			continue
		}
		host, message, remedy := origin(t.URL)
		if message != "" {
			if t.Kind == "generic" {
				remedy = "write it as https://webhook.example, and what follows the host as the key path"
			}
			c.fail(path, message, remedy)
			continue
		}
		if t.Kind == "okta" && strings.HasSuffix(strings.SplitN(host, ".", 2)[0], "-admin") {
			c.fail(path, "this is the host of Okta's admin console, which has no API", "drop the -admin from the host name")
		}
		t.URL = "https://" + host
		if t.Kind == "pingone" {
			c.pingone(t, host, fmt.Sprintf("tenants[%d]", i))
			host += "/" + t.PingOne.Environment
		}
		host += t.Path
		if j, ok := first[host]; ok {
			c.fail(path, fmt.Sprintf("the tenant at %s is configured already, as %q", t.URL, c.doc.Tenants[j].Name), "configure each tenant once")
			continue
		}
		first[host] = i
	}
}

// credential checks that a tenant has the keys of its kind's credential, and no
// others.
func (c *checker) credential(kind, section string) {
	ways := map[string][][]string{"okta": {{"token"}, {"oauth"}}, "onelogin": {{"client_id", "client_secret"}}, "pingone": {{"client_id", "client_secret", "pingone"}}, "generic": {{"secret"}}}[kind]
	if ways == nil {
		return // the decoder refused the kind
	}
	var takes []string
	for _, way := range ways {
		takes = append(takes, strings.Join(way, " and "))
	}
	for _, key := range []string{"token", "oauth", "client_id", "client_secret", "pingone", "path", "secret"} {
		if key == "path" && kind == "generic" {
			continue // no credential, and not needed
		}
		if c.written(section, key) && !slices.ContainsFunc(ways, func(way []string) bool { return slices.Contains(way, key) }) {
			c.fail(section+"."+key, fmt.Sprintf("a tenant of kind %s has no such key", kind), "remove it; this kind takes "+strings.Join(takes, ", or "))
		}
	}
	begun := slices.DeleteFunc(slices.Clone(ways), func(way []string) bool {
		return !slices.ContainsFunc(way, func(key string) bool { return c.written(section, key) })
	})
	switch {
	case len(begun) > 1:
		c.fail(section+"."+begun[1][0], "the tenant has two credentials", "keep one of "+strings.Join(takes, " and "))
	case len(begun) == 0 && len(ways) > 1:
		c.fail(section, "the tenant has no credential, and its API cannot be called without", "give it "+strings.Join(takes, ", or "))
	default:
		for _, key := range append(begun, ways...)[0] {
			c.missing(section, key, "without it the tenant's API cannot be called")
		}
	}
}

// pingone checks the hosts of a PingOne tenant: one of PingOne's own, or both
// given. The regions are those of PingOne's API reference.
func (c *checker) pingone(t *Tenant, host, section string) {
	region, own := strings.CutPrefix(host, "api.pingone.")
	path := section + ".pingone.auth_url"
	if t.PingOne.AuthURL != "" {
		authHost, message, remedy := origin(t.PingOne.AuthURL)
		if message != "" {
			c.fail(path, message, remedy)
			return
		}
		t.PingOne.AuthURL = "https://" + authHost
		return
	}
	switch regions := []string{"com", "eu", "asia", "com.au", "ca", "sg"}; {
	case !own && c.written(section+".pingone", "environment"):
		c.fail(section+".url", "this is not PingOne's own API host, so the host of the token endpoint is not known", "write it as https://api.pingone.eu, or give pingone.auth_url as well")
	case own && !slices.Contains(regions, region):
		c.fail(section+".url", fmt.Sprintf("PingOne has no region at api.pingone.%s", region), "end it in one of "+strings.Join(regions, ", ")+", as the PingOne console's host does")
	}
}

// written reports whether the file has a key, whatever its value.
func (c *checker) written(section, key string) bool {
	_, ok := c.at[section+"."+key]
	return ok
}

// provenKinds refuses a kind that is another vendor's, or stands twice.
func (c *checker) provenKinds(t Tenant, list string) {
	seen := map[string]bool{}
	for i, k := range t.ProvenKinds {
		path := fmt.Sprintf("%s[%d].kind", list, i)
		switch {
		case k.Kind == "" || t.Kind == "":
		case !strings.HasPrefix(k.Kind, t.Kind+":"):
			c.fail(path, fmt.Sprintf("%q is no kind of app of a tenant of kind %s", k.Kind, t.Kind), "write the kind as the app list shows it")
		case seen[k.Kind]:
			c.fail(path, fmt.Sprintf("the kind %q is in the list already", k.Kind), "remove one of the two")
		}
		seen[k.Kind] = true
	}
}

// origin checks that a tenant's URL is an https origin and returns its host
// (with a port if there is one). Messages never repeat the URL: it may hold a
// password.
func origin(text string) (host, message, remedy string) {
	const shape = "write it as https://example.okta.com"
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		return "", "a tenant is reached over https only", shape
	}
	if strings.Contains(rest, "@") {
		return "", "the URL holds a user name or a password", shape
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return "", "this is not a URL", shape
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(rest, "?#") {
		return "", "the URL must end after the host: no path, no query", shape
	}
	for _, r := range u.Hostname() {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-' {
			return "", "the host must be a plain name in lower case: letters, digits, dots and dashes", shape
		}
	}
	if h := u.Hostname(); strings.HasPrefix(h, ".") || strings.HasSuffix(h, ".") || strings.Contains(h, "..") {
		return "", "the host name has a dot too many", shape
	}
	return strings.TrimSuffix(rest, "/"), "", ""
}

func (c *checker) health() {
	h := c.doc.Health
	if h.Interval > 0 && h.FastInterval > h.Interval {
		c.fail("health.fast_interval", fmt.Sprintf("%s is slower than the calm interval %s", h.FastInterval, h.Interval), "make it shorter than health.interval")
	}
	if len(h.Kinds) > 0 && !slices.Contains(h.Kinds, "signin") && !slices.Contains(h.Kinds, "") {
		c.fail("health.kinds", "signin is not in the list, and no other probe asks the endpoint that people use", "add signin")
	}
	if h.Rise > 0 && h.Rise < h.Fall {
		c.warn("health.rise", "an endpoint comes back on fewer probes than it takes to go", "make rise at least as large as fall, or a flapping endpoint looks healthy")
	}
	if h.Interval > 0 && h.Interval < calm {
		c.warn("health.interval", fmt.Sprintf("probing more often than every %s is impolite outside a sandbox", calm), "leave fast probing to fast_interval")
	}
}

// partitions doubts accounts that the base credentials cannot reach.
func (c *checker) partitions() {
	base := c.doc.AWS.Region.Partition()
	for i, f := range c.doc.Federations {
		if p := partitionOf(f.Regions); base != "" && p != "" && p != base && (len(f.Accounts) > 0 || len(f.Organization.Providers) > 0) {
			c.warn(fmt.Sprintf("federations[%d].accounts", i), fmt.Sprintf("accounts in partition %s, but the credentials belong to %s", p, base), "run a second controller with credentials of "+string(p))
		}
	}
}

// partitionOf returns the partition of the first Region that could be read.
func partitionOf(regions []signin.Region) signin.Partition {
	for _, r := range regions {
		if !r.IsZero() {
			return r.Partition()
		}
	}
	return ""
}

// unused doubts a tenant that no app lives in, once there are federations.
func (c *checker) unused() {
	if len(c.doc.Federations) == 0 {
		return
	}
	used := map[string]bool{}
	for _, f := range c.doc.Federations {
		for _, a := range f.Apps {
			used[a.Tenant] = true
			for _, s := range a.Standby {
				used[s.Tenant] = true
			}
		}
	}
	for i, t := range c.doc.Tenants {
		if t.Name != "" && !used[t.Name] {
			c.warn(fmt.Sprintf("tenants[%d].name", i), fmt.Sprintf("no app lives in tenant %q", t.Name), "remove it, or name its apps in a federation")
		}
	}
}
