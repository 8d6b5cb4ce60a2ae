package samlfailover_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```[ \t]*$")
	inline  = regexp.MustCompile("`[^`\n]*`")
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.*?)[ #]*$`)
	named   = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	link    = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?: +"[^"]*")?\)`)
	refers  = regexp.MustCompile(`(?m)^ {0,3}\[[^\]^]+\]: +(\S+)`)
	outside = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
)

// anchors are the fragments that GitHub gives to a document's headings: lower
// case, without punctuation, hyphens for spaces, and a number behind what comes
// again.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	text = fenced.ReplaceAllString(text, "")
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		out[m[1]] = true
	}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		words := link.ReplaceAllString(m[1], "")
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, words)
		for n, base := 1, slug; out[slug]; n++ {
			slug = fmt.Sprintf("%s-%d", base, n)
		}
		out[slug] = true
	}
	return out
}

// deadLinks returns a sentence for each relative link of the document at file
// that leads to no file or folder below root, or to no heading of it. Links to
// other sites are not followed.
func deadLinks(root fs.FS, file string) ([]string, error) {
	raw, err := fs.ReadFile(root, file)
	if err != nil {
		return nil, err
	}
	text := inline.ReplaceAllString(fenced.ReplaceAllString(string(raw), ""), "code")
	var out []string
	for _, m := range append(link.FindAllStringSubmatch(text, -1), refers.FindAllStringSubmatch(text, -1)...) {
		if outside.MatchString(m[1]) {
			continue
		}
		to, anchor, wantsAnchor := strings.Cut(m[1], "#")
		target := file
		if to != "" {
			target = path.Join(path.Dir(file), to)
		}
		info, err := fs.Stat(root, target)
		switch {
		case err != nil:
			out = append(out, fmt.Sprintf("%s: the link to %s leads to no file", file, m[1]))
		case wantsAnchor && info.IsDir():
			out = append(out, fmt.Sprintf("%s: the link to %s names a heading of a folder", file, m[1]))
		case wantsAnchor && path.Ext(target) == ".md":
			there, err := fs.ReadFile(root, target)
			if err != nil {
				return nil, err
			}
			if !anchors(string(there))[anchor] {
				out = append(out, fmt.Sprintf("%s: the link to %s leads to no heading of %s", file, m[1], target))
			}
		}
	}
	return out, nil
}

func TestLinksOfTheDocuments(t *testing.T) {
	t.Parallel()
	files := []string{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !d.IsDir() && filepath.Ext(file) == ".md" {
			files = append(files, filepath.ToSlash(file))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"README.md", "CHANGELOG.md", "docs/operations.md", "docs/idp/okta.md"} {
		if !slices.Contains(files, must) {
			t.Errorf("%s is not looked at", must)
		}
	}
	for _, file := range files {
		dead, err := deadLinks(os.DirFS("."), file)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dead {
			t.Error(d)
		}
	}
}
