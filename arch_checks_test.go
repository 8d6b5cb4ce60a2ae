package samlfailover_test

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// check is one rule over the whole tree; find returns a sentence per violation
// that names the place and what to do.
type check struct {
	name string
	find func([]source) []string
}

var checks = []check{
	{"imports follow the table", findArrows},
	{"every package has a row and says what it is for", findUndocumented},
	{"no package without a subject", findVagueNames},
	{"only outbound makes HTTP clients", findHTTPClients},
	{"only awsaccess makes AWS clients", findAWSClients},
	{"only cmd reads the environment", findEnvironment},
	{"no init", findInit},
	{"no sleep in tests", findSleeps},
	{"no long files", findLongFiles},
}

// product reports whether a file is part of the product: no test, no suite for
// tests, no sandbox.
func product(s source) bool {
	r, _ := rowOf(importTable, s.pkg)
	return !s.test() && !r.suite && !covers("sandbox/...", s.pkg)
}

// findArrows holds the import table.
func findArrows(all []source) []string {
	var out []string
	for _, s := range all {
		if s.test() {
			continue
		}
		r, ok := rowOf(importTable, s.pkg)
		for _, i := range s.tree.Imports {
			p := strings.Trim(i.Path.Value, `"`)
			target, ours := strings.CutPrefix(p, module+"/")
			allowed := slices.ContainsFunc(r.may, func(name string) bool { return covers(name, target) })
			switch {
			case ours && ok && !allowed:
				out = append(out, fmt.Sprintf("%s: %s must not import %s: the import table allows %v", s.at(i), s.pkg, target, r.may))
			case p == "testing" && !r.suite:
				out = append(out, fmt.Sprintf("%s: only test suites import testing", s.at(i)))
			}
		}
	}
	return out
}

// findUndocumented wants a row and a comment with its two halves: what the
// package is for, and what it must never do.
func findUndocumented(all []source) []string {
	docs := map[string]string{}
	for _, s := range all {
		if s.test() && s.pkg != "." {
			continue
		}
		docs[s.pkg] += " " + strings.Join(strings.Fields(s.tree.Doc.Text()), " ")
	}
	var out []string
	for pkg, doc := range docs {
		if _, ok := rowOf(importTable, pkg); !ok && pkg != "." {
			out = append(out, fmt.Sprintf("package %s has no row in the import table of arch_test.go: decide what it may import", pkg))
		}
		for _, words := range []string{"is for", "must never"} {
			if !strings.Contains(strings.ToLower(doc), words) {
				out = append(out, fmt.Sprintf("package %s: its comment does not say %q", pkg, words))
			}
		}
	}
	slices.Sort(out)
	return out
}

func findVagueNames(all []source) []string {
	var out []string
	for _, s := range all {
		for _, vague := range []string{"util", "utils", "common", "helper", "helpers", "misc", "shared"} {
			if path.Base(s.pkg) == vague || s.tree.Name.Name == vague || s.tree.Name.Name == vague+"_test" {
				out = append(out, fmt.Sprintf("%s: %q says nothing about the package's subject: name it after what it is about", s.at(s.tree.Name), vague))
			}
		}
	}
	return out
}

// uses calls f for every mention of a name of an imported package: path, name,
// the node, and the node around it.
func uses(s source, f func(pkgPath, name string, n *ast.SelectorExpr, parent ast.Node)) {
	imports := importsOf(s)
	var stack []ast.Node
	ast.Inspect(s.tree, func(n ast.Node) bool {
		if n == nil {
			stack = stack[:len(stack)-1]
			return true
		}
		var parent ast.Node
		if len(stack) > 0 {
			parent = stack[len(stack)-1]
		}
		stack = append(stack, n)
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && imports[x.Name] != "" {
				f(imports[x.Name], sel.Sel.Name, sel, parent)
			}
		}
		return true
	})
}

// makes reports whether a type is used to make a value: T{}, new(T), var x T.
func makes(n *ast.SelectorExpr, parent ast.Node) bool {
	switch p := parent.(type) {
	case *ast.CompositeLit:
		return p.Type == n
	case *ast.ValueSpec:
		return p.Type == n
	case *ast.CallExpr:
		id, ok := p.Fun.(*ast.Ident)
		return ok && id.Name == "new"
	}
	return false
}

func findHTTPClients(all []source) []string {
	ready := []string{"Get", "Post", "Head", "PostForm", "DefaultClient", "DefaultTransport", "ProxyFromEnvironment"}
	var out []string
	for _, s := range all {
		if !product(s) || s.pkg == "outbound" {
			continue
		}
		uses(s, func(pkg, name string, n *ast.SelectorExpr, parent ast.Node) {
			made := (name == "Client" || name == "Transport") && makes(n, parent)
			if pkg == "net/http" && (made || slices.Contains(ready, name)) {
				out = append(out, fmt.Sprintf("%s: http.%s: only outbound makes HTTP clients: proxy, CA, limits and the dial guard live there", s.at(n), name))
			}
		})
	}
	return out
}

func findAWSClients(all []source) []string {
	const sdk = "github.com/aws/aws-sdk-go-v2/"
	var out []string
	for _, s := range all {
		if !product(s) || s.pkg == "awsaccess" {
			continue
		}
		uses(s, func(pkg, name string, n *ast.SelectorExpr, _ ast.Node) {
			maker := strings.HasPrefix(pkg, sdk+"service/") && (name == "New" || name == "NewFromConfig") ||
				pkg == sdk+"config" && name == "LoadDefaultConfig"
			if maker {
				out = append(out, fmt.Sprintf("%s: %s: only awsaccess makes AWS clients", s.at(n), name))
			}
		})
	}
	return out
}

// findEnvironment: the environment is read once, in cmd, and handed down.
func findEnvironment(all []source) []string {
	var out []string
	for _, s := range all {
		if !product(s) || covers("cmd/...", s.pkg) {
			continue
		}
		uses(s, func(pkg, name string, n *ast.SelectorExpr, _ ast.Node) {
			if (pkg == "os" || pkg == "syscall") && slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv"}, name) {
				out = append(out, fmt.Sprintf("%s: %s.%s: the environment is read once, in cmd, and handed down", s.at(n), pkg, name))
			}
		})
	}
	return out
}

func findInit(all []source) []string {
	var out []string
	for _, s := range all {
		for _, d := range s.tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				out = append(out, s.at(f)+": func init: do it in a constructor that is called")
			}
		}
	}
	return out
}

func findSleeps(all []source) []string {
	var out []string
	for _, s := range all {
		if !s.test() {
			continue
		}
		uses(s, func(pkg, name string, n *ast.SelectorExpr, _ ast.Node) {
			if pkg == "time" && name == "Sleep" && !bubbled(s, n) {
				out = append(out, s.at(n)+": time.Sleep in a test: use virtual time (testing/synctest) or wait for a condition")
			}
		})
	}
	return out
}

// bubbled reports whether a node stands inside a call of synctest.Test, where a
// sleep takes no time.
func bubbled(s source, n ast.Node) bool {
	found := false
	uses(s, func(pkg, name string, _ *ast.SelectorExpr, parent ast.Node) {
		call, ok := parent.(*ast.CallExpr)
		found = found || ok && pkg == "testing/synctest" && name == "Test" && call.Pos() <= n.Pos() && n.End() <= call.End()
	})
	return found
}

func findLongFiles(all []source) []string {
	var out []string
	for _, s := range all {
		limit := 500
		if s.test() {
			limit = 600
		}
		if s.lines > limit {
			out = append(out, fmt.Sprintf("%s: %d lines, at most %d: split it by subject", path.Join(s.pkg, s.name), s.lines, limit))
		}
	}
	return out
}
