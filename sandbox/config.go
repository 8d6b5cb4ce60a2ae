package sandbox

import (
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// config is a ready samlfailover.yaml for this world. Paths in it are relative
// to the file.
func (w *World) config() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(header + "It steers the simulated world and nothing else.")
	line("network:\n  proxy: %s\n  ca_file: %s", w.ProxyURL(), caFile)
	line("aws:\n  region: us-west-2\n  access_key_id: %s\n  secret_access_key: file:%s/aws-secret-key", w.demo.Controller.AccessKeyID, secretsDir)
	line("tenants:\n  - name: %s\n    kind: okta\n    url: https://%s\n    token: file:%s/okta-token\n    proven_kinds: [{kind: okta:amazon_aws, by: sandbox, on: 2026-11-01}]", w.demo.Tenant, w.demo.OktaHost, secretsDir)
	line("federations:\n  - name: %s\n    mode: auto\n    accept_fewer_vantages: true # one vantage: fine for a demo, not for production", seed.Federation)
	line("    regions: [%s]", strings.Join(w.regionCodes(), ", "))
	line("    apps:")
	for _, a := range w.demo.Apps {
		line("      - name: %q\n        tenant: %s\n        id: %s", a.Label, w.demo.Tenant, a.ID)
	}
	line("    lead: %q", w.demo.Apps[0].Label)
	line("    accounts:")
	for _, a := range w.demo.Accounts {
		line("      - id: %q\n        name: %s\n        providers: [%q]\n        scan_role: %s\n        enforce_role: %s",
			a.ID, a.Name, a.Provider, a.ScanRole, a.EnforceRole)
	}
	line("    min_ready_share: 0.9 # three of the sixty roles cannot be mended by an edit of their policy alone")
	line("    owned_by:\n      tags: [%q]", seed.OwnerTag+"="+seed.OwnerTagValue)
	line("health: {%s}", w.probing)
	line("store:\n  dir: %s", dataDir)
	return b.String()
}

func (w *World) regionCodes() []string {
	var out []string
	for _, r := range w.demo.Regions {
		out = append(out, r.String())
	}
	return out
}
