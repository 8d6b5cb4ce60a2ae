// Package samlfailover_test is for the rules that hold for the tree as a whole:
// who may import whom, what only one package may do, and that each numbered
// rule of docs/spec.md has a test. It must never test what a package can test
// by itself.
package samlfailover_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/samlfailover/samlfailover"

// row says which packages of this module a package may import. A name that
// ends in /... stands for a package and all below it. The most exact row wins.
type row struct {
	pkg   string
	may   []string
	suite bool // a test suite for others: may import testing
}

// ground is what everything above the nouns may use: values and wording.
var ground = []string{"signin", "finding", "secret", "escape", "federation"}

// importTable is the map of the house. Test files are free.
var importTable = []row{
	{pkg: "signin"},
	{pkg: "finding"},
	{pkg: "secret"},
	{pkg: "secret/secrettest", suite: true},
	{pkg: "escape"},
	{pkg: "signature", may: []string{"secret"}},
	{pkg: "samlmeta"},
	{pkg: "people"},
	{pkg: "spelling"},
	{pkg: "filelock"},
	{pkg: "federation", may: []string{"signin"}},
	{pkg: "config", may: []string{"signin", "finding", "secret", "federation", "spelling", "people"}},
	{pkg: "outbound", may: []string{"secret", "finding"}},
	{pkg: "awsaccess", may: []string{"outbound", "secret", "finding", "signin", "federation"}},
	{pkg: "health", may: []string{"signin", "finding", "federation"}},
	{pkg: "health/probe", may: []string{"health", "signin", "finding", "outbound"}},
	{pkg: "assertion"},
	{pkg: "idp", may: []string{"signin", "finding", "federation", "secret"}},
	{pkg: "idp/call", may: []string{"idp", "finding", "secret", "outbound"}},
	{pkg: "idp/signon", may: []string{"idp", "finding", "secret", "outbound"}},
	{pkg: "idp/okta", may: []string{"idp", "idp/call", "idp/signon", "samlmeta", "signin", "finding", "secret", "outbound"}},
	{pkg: "idp/pingone", may: []string{"idp", "idp/call", "idp/signon", "samlmeta", "signin", "finding", "secret", "outbound"}},
	{pkg: "idp/onelogin", may: []string{"idp", "idp/call", "samlmeta", "signin", "finding", "secret", "outbound"}},
	{pkg: "idp/generic", may: []string{"idp", "idp/call", "signature", "signin", "finding", "secret", "outbound"}},
	{pkg: "idp/discover", may: []string{"idp", "inventory", "trustpolicy", "federation", "signin", "finding"}},
	{pkg: "idp/idptest", may: []string{"idp", "signin", "finding", "secret/secrettest"}, suite: true},
	{pkg: "trustpolicy"},
	{pkg: "trustpolicy/fleet", may: []string{"trustpolicy", "samlmeta", "federation", "finding", "awsaccess", "inventory", "signin"}},
	{pkg: "trustpolicy/members", may: []string{"trustpolicy/fleet", "federation", "finding", "inventory", "signin"}},
	{pkg: "inventory", may: []string{"signin", "finding", "federation"}},
	{pkg: "audit", may: []string{"signin", "finding", "federation", "filelock"}},
	{pkg: "audit/copies", may: []string{"audit", "finding", "secret", "outbound", "signature"}},
	{pkg: "failover", may: []string{"health", "idp", "inventory", "federation", "signin", "finding", "escape"}},
	{pkg: "approval", may: []string{"failover", "people"}},
	{pkg: "failover/move", may: []string{"failover", "idp", "federation", "signin", "finding"}},
	{pkg: "failover/move/memory", may: []string{"failover", "failover/move", "idp", "federation", "signin", "finding"}},
	{pkg: "failover/prove", may: []string{"failover", "failover/move", "assertion", "idp", "inventory", "federation", "signin", "finding"}},
	{pkg: "failover/controller", may: []string{"approval", "failover", "failover/move", "health", "idp", "inventory", "federation", "signin", "finding", "escape"}},
	{pkg: "failover/crashtest"},
	{pkg: "failover/failovertest", may: []string{"failover", "failover/move", "idp", "federation", "signin", "finding"}, suite: true},
	{pkg: "store", may: []string{"failover", "failover/move", "inventory", "audit", "health", "federation", "finding", "secret", "signin", "filelock", "store/seal"}},
	{pkg: "store/memory", may: []string{"health", "signin"}},
	{pkg: "store/storetest", may: []string{"inventory", "audit", "health", "federation", "secret", "signin"}, suite: true},
	{pkg: "store/seal", may: []string{"secret", "finding"}},
	{pkg: "runbook", may: []string{"failover", "inventory", "federation", "signin", "finding", "escape"}},
	{pkg: "control", may: append([]string{"outbound", "awsaccess", "health", "health/probe", "idp", "idp/discover", "trustpolicy", "trustpolicy/fleet", "trustpolicy/members", "inventory", "audit", "failover", "failover/move", "failover/controller", "store", "people", "approval"}, ground...)},
	{pkg: "server", may: append([]string{"control", "people", "outbound"}, ground...)},
	{pkg: "notify", may: append([]string{"approval", "control", "outbound", "signature"}, ground...)},
	{pkg: "server/slack", may: append([]string{"control", "approval", "people", "outbound", "spelling", "server/gate", "server/problem"}, ground...)},
	{pkg: "server/problem", may: []string{"finding"}},
	{pkg: "server/gate", may: []string{"people", "outbound", "finding", "secret", "server/problem"}},
	{pkg: "server/api", may: append([]string{"control", "people", "server", "server/gate", "server/problem"}, ground...)},
	{pkg: "server/metrics", may: append([]string{"control", "people", "server/gate", "server/problem"}, ground...)},
	{pkg: "app", may: append([]string{"audit/copies", "runbook", "server/metrics", "server/api", "server/gate", "server/problem", "config", "filelock", "outbound", "awsaccess", "health", "health/probe", "idp", "idp/generic", "idp/okta", "idp/onelogin", "idp/pingone", "trustpolicy", "trustpolicy/fleet", "trustpolicy/members", "inventory", "audit", "failover", "failover/move", "failover/controller", "failover/prove", "store", "store/seal", "control", "server", "notify", "people", "approval", "server/hooks", "server/hooks/sources", "signature", "server/slack"}, ground...)},
	{pkg: "server/hooks", may: append([]string{"control", "failover", "people", "server/gate", "server/problem", "server/hooks/sources"}, ground...)},
	{pkg: "server/hooks/sources", may: []string{"secret", "escape", "signature", "outbound"}},

	{pkg: "app/clustertest"}, // tests only
	{pkg: "app/killtest"},    // tests only
	{pkg: "app/scaletest"},   // tests only
	{pkg: "app/webbench"},    // tests only
	{pkg: "sandbox/...", may: []string{"signin", "sandbox/..."}},
	{pkg: "demo", may: append([]string{"app", "people", "control", "config", "sandbox/..."}, ground...)},
	{pkg: "cmd/...", may: append([]string{"app", "people", "control", "config", "demo", "sandbox/..."}, ground...)},
}

// covers reports whether a name of the table stands for a package.
func covers(name, pkg string) bool {
	if base, all := strings.CutSuffix(name, "/..."); all {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return name == pkg
}

// rowOf returns the most exact row for a package.
func rowOf(table []row, pkg string) (row, bool) {
	var best row
	found := false
	for _, r := range table {
		if covers(r.pkg, pkg) && (!found || len(r.pkg) > len(best.pkg)) {
			best, found = r, true
		}
	}
	return best, found
}

// source is one Go file; pkg is its folder inside the module, "." for the root.
type source struct {
	pkg, name string
	lines     int
	tree      *ast.File
	fset      *token.FileSet
}

func (s source) test() bool { return strings.HasSuffix(s.name, "_test.go") }

// at names the place of a node.
func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", path.Join(s.pkg, s.name), s.fset.Position(n.Pos()).Line)
}

// parse reads one Go file from its text.
func parse(pkg, name string, text []byte) (source, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, fmt.Errorf("parse %s: %w", path.Join(pkg, name), err)
	}
	return source{pkg, name, strings.Count(string(text), "\n"), tree, fset}, nil
}

// readModule returns every Go file of the module in dir, not those of modules
// below it.
func readModule(dir string) ([]source, error) {
	var out []source
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, other := os.Stat(filepath.Join(file, "go.mod"))
			if file != dir && (other == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, filepath.Dir(file))
		if err != nil {
			return err
		}
		s, err := parse(filepath.ToSlash(rel), d.Name(), text)
		out = append(out, s)
		return err
	})
	return out, err
}

func TestArchitecture(t *testing.T) {
	t.Parallel()
	all, err := readModule(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found %d Go files: the walk is broken", len(all))
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range c.find(all) {
				t.Error(v)
			}
		})
	}
}

// A row for a package that is gone would let the next one of that name import
// what nobody decided.
func TestImportTableHasNoDeadRows(t *testing.T) {
	t.Parallel()
	all, err := readModule(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range importTable {
		if !slices.ContainsFunc(all, func(s source) bool { return covers(r.pkg, s.pkg) }) {
			t.Errorf("the import table has a row for %s, and there is no such package", r.pkg)
		}
	}
}

// literals returns the string literals of a file.
func literals(s source) []string {
	var out []string
	ast.Inspect(s.tree, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				out = append(out, text)
			}
		}
		return true
	})
	return out
}

// importsOf returns the import paths of a file by the name they have in it.
func importsOf(s source) map[string]string {
	out := map[string]string{}
	for _, i := range s.tree.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(p)
		if i.Name != nil {
			name = i.Name.Name
		}
		out[name] = p
	}
	return out
}
