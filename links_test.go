package samlfailover_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
)

var (
	fence   = regexp.MustCompile("(?ms)^ *(?:```|~~~).*?^ *(?:```|~~~) *$")
	code    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *#* *$`)
	anchor  = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	shown   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// anchorsOf returns the names that a link may lead to in a page, made from its
// headings as GitHub makes them.
func anchorsOf(page string) []string {
	var out []string
	seen := map[string]int{}
	for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		text := shown.ReplaceAllString(h[1], "$1")
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, text)
		n := seen[slug]
		if seen[slug]++; n > 0 {
			slug = fmt.Sprintf("%s-%d", slug, n)
		}
		out = append(out, slug)
	}
	for _, a := range anchor.FindAllStringSubmatch(page, -1) {
		out = append(out, a[1])
	}
	return out
}

// deadLinks returns what is wrong with the links inside a tree of pages: a file
// that is not there, or a place in one that is not.
func deadLinks(tree fs.FS, pages []string) []string {
	var out []string
	for _, p := range pages {
		raw, err := fs.ReadFile(tree, p)
		if err != nil {
			return append(out, err.Error())
		}
		text := code.ReplaceAllString(fence.ReplaceAllString(string(raw), ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, place, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file := p
			if target != "" {
				file = path.Join(path.Dir(p), target)
			}
			if _, err := fs.Stat(tree, strings.TrimSuffix(file, "/")); err != nil {
				out = append(out, fmt.Sprintf("%s: (%s) leads to no file", p, m[1]))
				continue
			}
			if place == "" {
				continue
			}
			if there, err := fs.ReadFile(tree, file); err != nil || !slices.Contains(anchorsOf(string(there)), place) {
				out = append(out, fmt.Sprintf("%s: (%s) leads to no heading", p, m[1]))
			}
		}
	}
	return out
}

// Every link inside the documents leads somewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	root := os.DirFS(".")
	var pages []string
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && p != ".") {
			return fs.SkipDir
		}
		if strings.HasSuffix(p, ".md") {
			pages = append(pages, p)
		}
		return err
	})
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, dead := range deadLinks(root, pages) {
		t.Error(dead)
	}
}

// The saboteurs: pages with a link that leads nowhere, and ones that only look
// so.
func TestDeadLinksAreFound(t *testing.T) {
	t.Parallel()
	const other = "# A page\n\n## What it is\n\n## What it is\n\n```sh\n# no heading\n```\n\n## `serve`, [the service](x.md): go\n"
	for text, want := range map[string]int{
		"[a](other.md)": 0, "[a](docs/../other.md)": 0, "[a](none.md)": 1, "[a](../other.md)": 1,
		"[a](other.md#what-it-is)": 0, "[a](other.md#what-it-is-1)": 0, "[a](other.md#what-it-is-2)": 1, "[a](other.md#no-heading)": 1,
		"[a](other.md#serve-the-service-go)": 0, "[a](#here)": 1, "# Here\n[a](#here)": 0, "[a](docs/)": 0, "[a](docs/#x)": 1,
		"`[a](none.md)`": 0, "```\n[a](none.md)\n```\n[b](none.md)": 1, "[a](https://none.example/x.md#y)": 0,
	} {
		tree := fstest.MapFS{"page.md": {Data: []byte(text)}, "other.md": {Data: []byte(other)}, "docs/deep.md": {Data: []byte("x")}}
		if got := deadLinks(tree, []string{"page.md"}); len(got) != want {
			t.Errorf("%q: %q, want %d", text, got, want)
		}
	}
}
