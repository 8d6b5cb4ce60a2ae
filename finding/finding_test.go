package finding

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/findings.md")

func TestErrorNamesTheNextStep(t *testing.T) {
	t.Parallel()
	f := Finding{Code: ForeignACS, Subject: "app aws-prod", What: "its ACS is not AWS's", Why: "host evil.example", Remedy: "look at the app in the admin console"}
	want := "app aws-prod: its ACS is not AWS's: host evil.example [foreign-acs]; next: look at the app in the admin console"
	if got := f.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	wrapped := fmt.Errorf("move: %w", f)
	if !Is(wrapped, ForeignACS) || Is(wrapped, LostUpdate) || Is(errors.New("x"), ForeignACS) {
		t.Error("Is does not see through the chain")
	}
	if f.Severity() != Page || (Finding{Code: "nobody-knows"}).Severity() != Warn {
		t.Error("severity")
	}
}

var codeForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func TestRegister(t *testing.T) {
	t.Parallel()
	seen := map[Code]bool{}
	for _, r := range list {
		if seen[r.Code] || !codeForm.MatchString(string(r.Code)) || !strings.HasSuffix(r.Title, ".") {
			t.Errorf("%q: registered twice, not lower-case-with-dashes, or a title without a full stop", r.Code)
		}
		seen[r.Code] = true
	}
}

// Every constant of codes.go is registered, or its severity would be a guess.
func TestEveryConstantIsRegistered(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\t\w+\s+Code = "([^"]+)"`).FindAllSubmatch(src, -1) {
		if _, ok := register[Code(m[1])]; !ok {
			t.Errorf("code %s is not registered", m[1])
		}
	}
}

// docs/findings.md is generated: go test ./finding -update.
func TestFindingsPage(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	b.WriteString("# Findings\n\nGenerated from `finding/codes.go`. `page` means that a person must look now, `warn` in working hours, `info` is good to know.\n\n| code | severity | what it means |\n| --- | --- | --- |\n")
	for _, r := range Register() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Code, r.Severity, r.Title)
	}
	const path = "../docs/findings.md"
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("docs/findings.md is out of date (%v); run: go test ./finding -update", err)
	}
}
