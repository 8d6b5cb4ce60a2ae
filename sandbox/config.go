package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// config is a ready samlfailover.yaml for this world. Paths in it are relative
// to the file.
func (w *World) config() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	d := w.Demo()
	line(header + "It steers the simulated world and nothing else.")
	line("network:\n  proxy: %s\n  ca_file: %s", w.ProxyURL(), caFile)
	line("aws:\n  iam_calls_per_second: 50 # nobody else asks this IAM\n  region: %s\n  access_key_id: %s\n  secret_access_key: file:%s", d.Standby(), d.Controller.AccessKeyID, awsSecretFile)
	line("tenants:")
	for _, t := range d.Tenants {
		b.WriteString(tenantConfig(t))
	}
	line("federations:\n  - name: %s\n    mode: auto\n    accept_fewer_vantages: true # one vantage: fine for a demo, not for production", seed.Federation)
	line("    regions: [%s]", strings.Join(w.regionCodes(), ", "))
	line("    apps:")
	for _, a := range d.Apps {
		line("      - name: %q\n        tenant: %s\n        id: %q", a.Label, a.Tenant, a.ID)
	}
	line("    lead: %q # the on-call team's: it moves first and has to prove itself", d.Apps[0].Label)
	w.accounts(line)
	line("    min_ready_share: 0.9 # in every account: three of the %d roles cannot be mended by an edit of their policy alone", len(d.Roles))
	line("    owned_by:\n      tags: [%q]", seed.OwnerTag+"="+seed.OwnerTagValue)
	b.WriteString(w.controllerConfig())
	b.WriteString(w.alertingConfig(seed.Federation))
	b.WriteString(w.slackConfig())
	line("health: {%s}", w.probing)
	line("store:\n  dir: %s\n  embedded: {ballast: 0} # a world to throw away needs no reserve on the disk", dataDir)
	return b.String()
}

// accounts lists the federation's accounts, or says where they come from.
func (w *World) accounts(line func(string, ...any)) {
	d := w.Demo()
	if w.fromOrg {
		var providers []string
		for _, a := range d.Accounts {
			if p := strings.ReplaceAll(a.Provider, a.ID, "{account}"); !slices.Contains(providers, p) {
				providers = append(providers, p)
			}
		}
		first := d.Accounts[0]
		line("    organization:\n      all: true\n      exclude: [%q]\n      role: %s\n      providers: [%s]\n      scan_role: %q\n      enforce_role: %q", d.Controller.Account,
			d.Organization.Role, quoted(providers), strings.ReplaceAll(first.ScanRole, first.ID, "{account}"), strings.ReplaceAll(first.EnforceRole, first.ID, "{account}"))
		return
	}
	line("    accounts:")
	for _, a := range d.Accounts {
		line("      - id: %q\n        name: %s\n        providers: [%q]\n        scan_role: %s\n        enforce_role: %s",
			a.ID, a.Name, a.Provider, a.ScanRole, a.EnforceRole)
	}
}

// quoted lists texts for a YAML flow sequence.
func quoted(texts []string) string {
	var out []string
	for _, t := range texts {
		out = append(out, fmt.Sprintf("%q", t))
	}
	return strings.Join(out, ", ")
}

// tenantConfig is one entry under tenants.
func tenantConfig(t seed.Tenant) string {
	out := fmt.Sprintf("  - name: %s\n    kind: %s\n    url: %s\n    proven_kinds:\n", t.Name, t.Kind, t.URL)
	kinds := map[string][]string{"okta": {"okta:custom-saml", "okta:amazon_aws"}, "pingone": {"pingone:saml"}, "onelogin": {"onelogin:custom-saml"}}
	for _, k := range kinds[t.Kind] {
		out += "      - {kind: " + k + ", by: sandbox, on: 2026-11-01}\n"
	}
	secret := "file:" + secretFile(t)
	if t.Kind == "okta" {
		return out + "    token: " + secret + "\n"
	}
	out += fmt.Sprintf("    client_id: %s\n    client_secret: %s\n", t.ClientID, secret)
	if t.Kind != "pingone" {
		return out
	}
	out += "    pingone:\n      environment: " + t.Environment + "\n"
	if t.WorkerEnvironment != t.Environment {
		out += "      worker_environment: " + t.WorkerEnvironment + "\n"
	}
	if t.PostsSecret {
		out += "      client_auth: post\n"
	}
	return out
}

func (w *World) regionCodes() []string {
	var out []string
	for _, r := range w.Demo().Regions {
		out = append(out, r.String())
	}
	return out
}
