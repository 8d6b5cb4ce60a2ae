package config

import (
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/finding"
)

var update = flag.Bool("update", false, "rewrite the golden files and the generated docs")

// marker stands in the test files where a person might paste a secret.
const marker = "SECRETMARKER"

// golden compares got with the file, or rewrites the file under -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it with: go test ./config -update)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, diff)
	}
}

// folder returns the YAML files of a testdata folder.
func folder(t *testing.T, name string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", name, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/%s: %v", name, err)
	}
	return files
}

// Every file in testdata/bad is named after its one fault and must be refused
// with exactly the words beside it, at the right line and column.
//
// spec 2.11 spec 15.1
func TestBadFiles(t *testing.T) {
	t.Parallel()
	for _, file := range folder(t, "bad") {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(name+".yaml", data)
			if err == nil {
				t.Fatalf("accepted: %+v", c)
			}
			var bad *Error
			if !errors.As(err, &bad) {
				t.Fatalf("not an *Error: %T %v", err, err)
			}
			if f, ok := finding.From(err); !ok || f.Code != finding.ConfigInvalid {
				t.Errorf("carries the finding %+v", f)
			}
			for _, p := range bad.Problems {
				if p.Remedy == "" || p.Message == "" {
					t.Errorf("no remedy or no message: %+v", p)
				}
				if strings.Contains(p.Finding().Error()+p.Path, marker) {
					t.Errorf("shows the secret: %s", p.Finding().Error())
				}
			}
			if strings.Contains(err.Error(), marker) {
				t.Errorf("shows the secret: %v", err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".want", err.Error()+"\n")
		})
	}
}

// Files in testdata/doubt load, with exactly the warnings beside them.
func TestDoubtfulFiles(t *testing.T) {
	t.Parallel()
	for _, file := range folder(t, "doubt") {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(name+".yaml", data)
			if err != nil {
				t.Fatal(err)
			}
			var lines string
			for _, w := range c.Warnings {
				if w.Remedy == "" {
					t.Errorf("no remedy: %+v", w)
				}
				lines += w.String() + "\n"
			}
			if lines == "" {
				t.Error("no warning")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".want", lines)
		})
	}
}

// Every message that this package can give has a file that provokes it: a rule
// without a bad file is a rule that nobody has seen work.
func TestEveryRuleHasABadFile(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, dir := range []string{"bad", "doubt"} {
		wants, err := filepath.Glob(filepath.Join("testdata", dir, "*.want"))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wants {
			b, err := os.ReadFile(w)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(b)
		}
	}
	messages := messagesIn(t, "check.go", "check_federation.go", "decode.go", "scalar.go", "syntax.go", "schedule.go", "secrets.go", "store.go", "notify.go", "hooks.go", "people.go", "freeze.go")
	if len(messages) < 70 {
		t.Fatalf("found only %d messages in the source: the search is broken", len(messages))
	}
	// Shown by tests of their own: they need huge files, or a file system.
	elsewhere := []string{"the file expands to more than", "is larger than", "cannot be read as YAML", "is not valid YAML", "is not a YAML document",
		"this is not valid YAML", "is nested too deeply", "the secret file", "can be changed by other users", "is not a schedule; write five fields such"}
	for _, m := range messages {
		if !strings.Contains(all.String(), m) && !containsAny(m, elsewhere) {
			t.Errorf("no file in testdata shows the message %q", m)
		}
	}
}

func containsAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// messagesIn returns the longest fixed part of every message in the sources:
// text given to refuse, fail, warn, missing, New and Errorf, returned as a
// message, or standing in the table of plainSyntax.
func messagesIn(t *testing.T, files ...string) []string {
	t.Helper()
	argument := map[string]int{"refuse": 2, "fail": 1, "warn": 1, "missing": 2, "New": 0, "Errorf": 0}
	var out []string
	add := func(e ast.Expr) {
		ast.Inspect(e, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, _ := strconv.Unquote(lit.Value)
			text, _, _ = strings.Cut(text, "; ")
			longest := ""
			for _, part := range regexp.MustCompile(`%[-+# 0-9]*[a-zA-Z]|"`).Split(text, -1) {
				if len(part) > len(longest) {
					longest = part
				}
			}
			if longest = strings.TrimSpace(longest); len(longest) > 8 {
				out = append(out, longest)
			}
			return false
		})
	}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				name := ""
				switch f := n.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					name = f.Sel.Name
				}
				if i, ok := argument[name]; ok && i < len(n.Args) {
					add(n.Args[i])
				}
			case *ast.ReturnStmt:
				if len(n.Results) == 2 || len(n.Results) == 3 {
					for _, r := range n.Results[:len(n.Results)-1] {
						add(r)
					}
				}
			case *ast.CompositeLit:
				if len(n.Elts) == 4 {
					add(n.Elts[1]) // a row of plainSyntax
				}
			}
			return true
		})
	}
	return out
}
