package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The config that the pages of notifications and hooks show is one that loads.
func TestSnippetsOfDocs(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"notifications.md", "hooks.md"} {
		text, err := os.ReadFile(filepath.Join("..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for i, part := range strings.Split(string(text), "```yaml\n") {
			snippet, _, _ := strings.Cut(part, "```")
			if i == 0 || strings.HasPrefix(snippet, "receivers:") { // Alertmanager's own
				continue
			}
			found++
			if _, err := Parse(page, []byte(documented+snippet)); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
		if found == 0 {
			t.Errorf("%s shows no config", page)
		}
	}
}

// documented is the rest of a config.
const documented = `
tenants:
  - {name: corp, kind: okta, url: https://corp.okta.com, token: env:T}
federations:
  - name: workforce
    regions: [us-east-1, us-west-2]
    lead: console
    apps: [{name: console, tenant: corp, id: 0oa1}]
people:
  - {name: ada, roles: [{role: admin}], tokens: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]}
`
