package runbook

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"github.com/samlfailover/samlfailover/escape"
)

//go:embed page.html
var pageHTML string

// HTML renders the book as one file that needs no other: no script, no font, no
// picture. It prints, and follows the reader's light or dark.
func (b Book) HTML() ([]byte, error) {
	t, err := template.New("runbook").Funcs(template.FuncMap{
		"show": escape.Terminal, "pieces": pieces, "clock": clock, "aged": b.aged, "orDash": orDash, "region": regionOrUnknown,
		"title": Move.title, "sum": Readiness.sum, "howTo": b.howTo, "goBack": b.goBack,
		"inc": func(i int) int { return i + 1 },
	}).Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("render the runbook: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, b); err != nil {
		return nil, fmt.Errorf("render the runbook of %s: %w", b.Federation, err)
	}
	return out.Bytes(), nil
}

// breaks are the characters behind which a line may end.
const breaks = "/,.&="

// pieces splits what is copied letter by letter where a line may end: on paper one
// that ends with a hyphen leaves open whether the hyphen is part of what stands
// there.
func pieces(s string) []string {
	var out []string
	for shown := escape.Terminal(s); shown != ""; {
		i := strings.IndexAny(shown, breaks) + 1
		for i > 0 && i < len(shown) && strings.IndexByte(breaks, shown[i]) >= 0 {
			i++ // https:// stays whole
		}
		if i == 0 {
			i = len(shown)
		}
		out, shown = append(out, shown[:i]), shown[i:]
	}
	return out
}
