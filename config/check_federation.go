package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/spelling"
)

// federation checks one federation and returns it as a value.
func (c *checker) federation(i int) federation.Federation {
	doc, path := c.doc.Federations[i], fmt.Sprintf("federations[%d]", i)
	f := federation.Federation{Name: doc.Name, Partition: partitionOf(doc.Regions), Regions: doc.Regions, Policy: federation.Policy{
		Mode: federation.Mode(doc.Mode), AcceptFewerVantages: doc.AcceptFewerVantages, MinReadyShare: doc.MinReadyShare, ShareOver: doc.ShareOver,
		MustBeReady: doc.MustBeReady, InventoryMaxAge: doc.InventoryMaxAge, Cooldown: doc.Cooldown, Budget: doc.Budget,
		Prefer: federation.Preference(doc.Prefer), Parallel: doc.Parallel, OwnedBy: federation.OwnedBy(doc.OwnedBy),
		Approvals: doc.Approvals, ApprovalExpires: doc.ApprovalExpires, EscalateAfter: doc.EscalateAfter,
	}}
	c.regions(path, doc, f.Partition)
	f.Apps, f.Standbys = c.federationApps(path, doc)
	f.Lead = c.lead(path, doc, f.Apps)
	f.Accounts = c.accounts(path, doc, f.Partition)
	f.Organization = c.organization(path, doc, f.Partition)
	f.Policy.Relay = c.relay(path, doc)
	c.mustBeReady(path, doc, f)
	c.shareOver(path, doc, f)
	f.Policy.Exceptions = c.exceptions(path, doc, f)
	c.ownedBy(path, doc)
	c.mode(path, doc)
	return f
}

// regions holds a federation to one partition (spec 2.11).
func (c *checker) regions(path string, doc federationDoc, p signin.Partition) {
	for i, r := range doc.Regions {
		if !r.IsZero() && r.Partition() != p {
			c.fail(fmt.Sprintf("%s.regions[%d]", path, i), fmt.Sprintf("%s is in partition %s, the federation's first Region in %s", r, r.Partition(), p), "a federation stays in one partition: make another federation for it")
		}
	}
}

// federationApps resolves tenants and refuses an app that another entry has
// (spec 2.11).
func (c *checker) federationApps(path string, doc federationDoc) (apps []federation.AppRef, standbys []federation.Standby) {
	words := map[string]string{} // what a person may type -> the app it names
	for i, a := range doc.Apps {
		at := fmt.Sprintf("%s.apps[%d]", path, i)
		ref := refOf(a.Name, a.Tenant, a.ID)
		apps = append(apps, ref)
		c.app(at, doc.Name, ref, words)
		for k, s := range a.Standby {
			sat := fmt.Sprintf("%s.standby[%d]", at, k)
			st := federation.Standby{For: ref, Region: s.Region, App: refOf(s.Name, s.Tenant, s.ID), Unhide: s.Unhide}
			c.standby(sat, doc, st, standbys)
			c.app(sat, doc.Name, st.App, words)
			standbys = append(standbys, st)
		}
	}
	return apps, standbys
}

func refOf(name, tenant, id string) federation.AppRef {
	ref := federation.AppRef{Name: name, Tenant: tenant, ID: id}
	if ref.Name == "" {
		ref.Name = ref.ID
	}
	return ref
}

// app takes up one app of a federation.
func (c *checker) app(at, owner string, ref federation.AppRef, words map[string]string) {
	if ref.Tenant == "" || ref.ID == "" || !c.tenantKnown(at+".tenant", ref.Tenant) {
		return
	}
	if owner, taken := c.apps[ref.String()]; taken {
		c.fail(at+".id", fmt.Sprintf("app %s is listed already, in federation %q", ref, owner), "an app belongs to exactly one federation: remove one of the two")
		return
	}
	c.apps[ref.String()] = owner
	for _, w := range slices.Compact([]string{ref.Name, ref.ID}) {
		if other, taken := words[strings.ToLower(w)]; taken {
			c.fail(at, fmt.Sprintf("%q names app %s already", w, other), "give the app another name")
			return
		}
		words[strings.ToLower(w)] = ref.String()
	}
}

// standby checks what an app stands in for; others are those before it.
func (c *checker) standby(at string, doc federationDoc, st federation.Standby, others []federation.Standby) {
	if !st.Region.IsZero() && !slices.Contains(doc.Regions, st.Region) {
		c.fail(at+".region", fmt.Sprintf("%s is not one of the federation's Regions", st.Region), "add it to regions, or remove the standby app")
	}
	for _, o := range others {
		if o.For == st.For && o.Region == st.Region && !st.Region.IsZero() {
			c.fail(at+".region", fmt.Sprintf("app %s stands in for %s already", o.App.Name, st.Region), "name one standby app per Region")
		}
	}
	for _, t := range c.doc.Tenants {
		if t.Name == st.App.Tenant && t.Kind == "generic" {
			c.fail(at+".tenant", "a webhook says nothing about tiles, so no app behind it can stand in for another", "name a standby app in Okta, PingOne or OneLogin")
		}
	}
}

func (c *checker) tenantKnown(path, name string) bool {
	if len(c.doc.Tenants) == 0 {
		return true // refused already
	}
	var names []string
	for _, t := range c.doc.Tenants {
		if t.Name == name || t.Name == "" { // "": refused already, it may be the one
			return true
		}
		names = append(names, t.Name)
	}
	remedy := "the tenants are: " + strings.Join(names, ", ")
	if near := spelling.Closest(name, names); near != "" {
		remedy = fmt.Sprintf("did you mean %q?", near)
	}
	c.fail(path, fmt.Sprintf("no tenant is called %s", quote(name)), remedy)
	return false
}

// lead returns the name of the app that moves first (spec 9.1).
func (c *checker) lead(path string, doc federationDoc, apps []federation.AppRef) string {
	if len(apps) == 0 {
		return ""
	}
	if doc.Lead == "" {
		c.warn(path, fmt.Sprintf("no lead app is named, so %q moves first", apps[0].Name), "name the on-call team's app in lead")
		return apps[0].Name
	}
	var names []string
	for _, a := range apps {
		if a.Name == doc.Lead || a.ID == doc.Lead {
			return a.Name
		}
		names = append(names, a.Name)
	}
	remedy := "the apps are: " + strings.Join(names, ", ")
	if near := spelling.Closest(doc.Lead, names); near != "" {
		remedy = fmt.Sprintf("did you mean %q?", near)
	}
	c.fail(path+".lead", fmt.Sprintf("no app of this federation is called %s", quote(doc.Lead)), remedy)
	return ""
}

// providerARN is the shape of an IAM SAML provider's ARN (IAM API Reference,
// CreateSAMLProvider).
const providerARN = `^arn:(aws[a-z-]*):iam::([0-9]{12}):saml-provider/[\w._-]{1,128}$`

func (c *checker) accounts(path string, doc federationDoc, p signin.Partition) []federation.Account {
	if len(doc.Accounts) == 0 && !c.written(path, "organization") {
		c.warn(path, "no accounts are listed, so nobody knows whether any role is ready", "list the AWS accounts under accounts, or choose them in the organization")
	}
	var out []federation.Account
	first := map[string]int{}
	shape := regexp.MustCompile(providerARN)
	for i, a := range doc.Accounts {
		at := fmt.Sprintf("%s.accounts[%d]", path, i)
		out = append(out, federation.Account{ID: a.ID, Name: a.Name, Providers: a.Providers, ScanRole: a.ScanRole, EnforceRole: a.EnforceRole, ExternalID: a.ExternalID})
		if a.ID == "" {
			continue
		}
		if j, ok := first[a.ID]; ok {
			c.fail(at+".id", fmt.Sprintf("account %s is listed already, as number %d", a.ID, j+1), "merge the two entries")
		}
		first[a.ID] = i
		for j, arn := range a.Providers {
			c.provider(fmt.Sprintf("%s.providers[%d]", at, j), arn, shape.FindStringSubmatch(arn), a.ID, p, doc.Name)
		}
		c.role(at+".scan_role", a.ScanRole, []string{a.ID}, p)
		c.role(at+".enforce_role", a.EnforceRole, []string{a.ID}, p)
		if a.ScanRole != "" && a.ScanRole == a.EnforceRole {
			c.warn(at+".enforce_role", "reading and writing use the same role", "give scans a role that can only read")
		}
	}
	return out
}

// provider checks one SAML provider ARN; m holds its partition and account.
func (c *checker) provider(path, arn string, m []string, account string, p signin.Partition, name string) {
	switch {
	case arn == "":
	case m == nil:
		c.fail(path, fmt.Sprintf("%s is not the ARN of a SAML provider", quote(arn)), "write it as arn:aws:iam::111122223333:saml-provider/NAME")
	case m[2] != account:
		c.fail(path, fmt.Sprintf("the provider belongs to account %s, not to %s", m[2], account), "list it under its own account")
	case p != "" && m[1] != string(p):
		c.fail(path, fmt.Sprintf("the provider is in partition %s, the federation in %s", m[1], p), "a federation stays in one partition: correct the ARN")
	default:
		if owner, taken := c.providers[arn]; taken {
			c.fail(path, fmt.Sprintf("the provider is listed already, in federation %q", owner), "a SAML provider belongs to exactly one federation: remove one of the two")
			return
		}
		c.providers[arn] = name
	}
}

// role checks a role ARN: its shape, and that it lives in one of the accounts.
func (c *checker) role(path, arn string, accounts []string, p signin.Partition) {
	if arn == "" {
		return
	}
	ref, partition, _, _, err := federation.ParseRoleARN(arn)
	switch {
	case err != nil:
		c.fail(path, fmt.Sprintf("%s is not the ARN of an IAM role", quote(arn)), "write it as arn:aws:iam::111122223333:role/NAME")
	case p != "" && partition != p:
		c.fail(path, fmt.Sprintf("the role is in partition %s, the federation in %s", partition, p), "correct the ARN")
	case !slices.Contains(accounts, ref.Account):
		c.fail(path, fmt.Sprintf("the role belongs to account %s, which is not the one meant here", ref.Account), "correct the ARN, or list the account")
	}
}

// memberRole checks the ARN of a role in one of the federation's accounts; which
// ones an organization adds is not known here.
func (c *checker) memberRole(at, arn string, f federation.Federation) {
	if f.Organization.Used() {
		c.anyRole(at, arn, f.Partition)
		return
	}
	c.role(at, arn, ids(f.Accounts), f.Partition)
}

func (c *checker) mustBeReady(path string, doc federationDoc, f federation.Federation) {
	for i, arn := range doc.MustBeReady {
		c.memberRole(fmt.Sprintf("%s.must_be_ready[%d]", path, i), arn, f)
	}
}

// relay checks the landing pages (spec 1.3).
func (c *checker) relay(path string, doc federationDoc) signin.RelayPolicy {
	out := signin.RelayPolicy{SetWhenEmpty: doc.RelayState == "set"}
	first := map[string]int{}
	for i, m := range doc.RelayStateMap {
		at := fmt.Sprintf("%s.relaystate_map[%d]", path, i)
		if m.From == "" || m.To.String() == "" {
			continue
		}
		r, ok := consoleRegion(m.To)
		switch {
		case !ok:
			c.fail(at+".to", "the host of the new page names no Region, so the mapping would never apply", "write it on a Region's console host, such as https://us-west-2.console.aws.amazon.com/...")
			continue
		case !slices.Contains(doc.Regions, r):
			c.fail(at+".to", fmt.Sprintf("the new page is in %s, which is not one of the federation's Regions", r), "map to one of the Regions listed, or add this one")
			continue
		}
		key := r.String() + " " + m.From
		if j, taken := first[key]; taken {
			c.fail(at, fmt.Sprintf("number %d maps the same page to %s already", j+1, r), "remove one of the two")
			continue
		}
		first[key] = i
		out.Map = append(out.Map, signin.RelayMapping{Old: m.From, New: m.To})
	}
	return out
}

// consoleRegion returns the Region whose console host the page is on; a
// Region-less host does not count, whatever its query says.
func consoleRegion(page signin.RelayState) (signin.Region, bool) {
	r, ok := signin.RegionOfRelayState(page.String())
	e, known := r.Endpoint()
	rest, own := strings.CutPrefix(page.String(), "https://"+e.ConsoleHost)
	return r, ok && known && own && e.ConsoleHost != "" && (rest == "" || strings.ContainsAny(rest[:1], "/?#"))
}

func (c *checker) ownedBy(path string, doc federationDoc) {
	for key, list := range map[string][]string{"names": doc.OwnedBy.Names, "paths": doc.OwnedBy.Paths, "tags": doc.OwnedBy.Tags} {
		for i, pattern := range list {
			at := fmt.Sprintf("%s.owned_by.%s[%d]", path, key, i)
			switch {
			case pattern == "":
			case strings.Trim(pattern, "*") == "":
				c.warn(at, "this pattern takes every role, so none would ever be written", "narrow it")
			case key == "paths" && !strings.HasPrefix(pattern, "/") && !strings.HasPrefix(pattern, "*"):
				c.fail(at, fmt.Sprintf("%s matches no role path: they start with a slash", quote(pattern)), "write it as /terraform/*")
			case key == "tags" && strings.HasPrefix(pattern, "="):
				c.fail(at, fmt.Sprintf("%s has no tag key", quote(pattern)), "write key or key=value")
			}
		}
	}
}

// mode doubts auto without three vantages on two networks (spec 7.3).
func (c *checker) mode(path string, doc federationDoc) {
	all := c.doc.Store.All()
	networks := map[string]bool{}
	for _, v := range all {
		networks[v.Network] = true
	}
	escalates := doc.Mode == string(federation.Approve) && doc.EscalateAfter > 0
	if doc.Mode != string(federation.Auto) && !escalates || len(all) >= 3 && len(networks) >= 2 {
		return
	}
	sees, there := "one vantage sees", "there is one"
	if len(all) > 1 {
		sees, there = fmt.Sprintf("%d vantages on %d networks see", len(all), len(networks)), fmt.Sprintf("there are %d on %d", len(all), len(networks))
	}
	if doc.AcceptFewerVantages {
		c.warn(path+".accept_fewer_vantages", "auto acts on what "+sees+", so a fault of our own network can look like an outage", "fit for a sandbox or a drill; otherwise use mode: approve")
		return
	}
	if escalates {
		c.warn(path+".escalate_after", "a proposal will not be escalated: auto needs three vantages on two networks and "+there, "add vantages, or accept the risk with accept_fewer_vantages: true")
		return
	}
	c.warn(path+".mode", "auto will hold: it needs three vantages on two networks and "+there, "use mode: approve, or accept the risk with accept_fewer_vantages: true")
}
