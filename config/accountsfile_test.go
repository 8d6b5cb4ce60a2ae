package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// withAccounts writes a config that reads accounts from a file beside it.
func withAccounts(t *testing.T, own, list string) (path string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "bad", "accounts-file-missing.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(raw), "testdata/accounts/none.yaml", "more/accounts.yaml", 1)
	if i := strings.Index(text, "    accounts:\n"); own == "" {
		text = text[:i]
	} else if own != "listed" {
		text = text[:i] + own
	}
	dir := t.TempDir()
	path = filepath.Join(dir, "samlfailover.yaml")
	if err := os.MkdirAll(filepath.Join(dir, "more"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{path: text, filepath.Join(dir, "more", "accounts.yaml"): list} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func load(t *testing.T, path string) *Config {
	t.Helper()
	c, err := Load(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Accounts of a file are accounts as if they were listed: behind those that are,
// in the digest, and each found to be wrong in its own file.
func TestAccountsFile(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("testdata", "accounts", "two.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	two := string(raw)
	for why, c := range map[string]struct {
		own  string
		want []string
	}{
		"beside listed ones": {"listed", []string{"111122223333", "444455556666", "222233334444"}},
		"alone":              {"", []string{"444455556666", "222233334444"}},
	} {
		path := withAccounts(t, c.own, two)
		got := load(t, path)
		if all := ids(got.Federations()[0].Accounts); !slices.Equal(all, c.want) {
			t.Errorf("%s: %v", why, all)
		}
		if files := got.Files(); len(files) != 2 || files[0] != path || filepath.Base(files[1]) != "accounts.yaml" {
			t.Errorf("%s: read from %v", why, files)
		}
		if len(got.Warnings) != 0 {
			t.Errorf("%s: %v", why, got.Warnings)
		}
	}

	// What it says counts, not where it stands.
	path := withAccounts(t, "listed", two)
	before := load(t, path).Digest()
	list := filepath.Join(filepath.Dir(path), "more", "accounts.yaml")
	if err := os.WriteFile(list, []byte("# another comment\n"+two), 0o600); err != nil {
		t.Fatal(err)
	}
	if load(t, path).Digest() != before {
		t.Error("a comment changed the digest")
	}
	if err := os.WriteFile(list, []byte(strings.ReplaceAll(two, "222233334444", "222233335555")), 0o600); err != nil {
		t.Fatal(err)
	}
	if load(t, path).Digest() == before {
		t.Error("another account left the digest as it was")
	}

	// Whoever can change it can change who is looked after.
	if err := os.Chmod(list, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, Options{}); err == nil || !strings.Contains(err.Error(), "accounts.yaml") || !strings.Contains(err.Error(), "can be changed by other users") {
		t.Errorf("a file that anybody can change: %v", err)
	}
}

// A doubt and a fault name the file and the line that they are about, the config's
// own first.
func TestAccountsFilePlaces(t *testing.T) {
	t.Parallel()
	path := withAccounts(t, "listed", "- id: \"444455556666\"\n  providers: [arn:aws:iam::444455556666:saml-provider/Okta]\n  scan_role: arn:aws:iam::444455556666:role/x\n  enforce_role: arn:aws:iam::444455556666:role/x\n")
	c := load(t, path)
	if len(c.Warnings) != 1 || filepath.Base(c.Warnings[0].File) != "accounts.yaml" || c.Warnings[0].Pos != (Pos{4, 17}) {
		t.Errorf("%+v", c.Warnings)
	}
	in := included{shown: []string{"a", "b"}}
	for at, want := range map[Pos]string{{1, 1}: "main", {fileLines - 1, 1}: "main", {fileLines + 7, 1}: "a", {2*fileLines + maxFile, 1}: "b", {3 * fileLines, 1}: "main"} {
		if got, _ := in.place("main", at); got != want {
			t.Errorf("%v is in %s, want %s", at, got, want)
		}
	}
}
