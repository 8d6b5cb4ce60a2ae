package runbook

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"

	"github.com/samlfailover/samlfailover/escape"
)

//go:embed page.html
var pageHTML string

// HTML renders the book as one file that needs no other: no script, no font, no
// picture. It prints, and follows the reader's light or dark.
func (b Book) HTML() ([]byte, error) {
	t, err := template.New("runbook").Funcs(template.FuncMap{
		"show": escape.Terminal, "clock": clock, "aged": b.aged, "orDash": orDash, "region": regionOrUnknown,
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
