package trustpolicy

import (
	"slices"
	"strings"
)

// patch is text to put in at an offset.
type patch struct {
	at   int
	text string
}

// insertAll puts the missing audiences into the text; nothing is removed.
func insertAll(text string, needs []need) string {
	var patches []patch
	for _, n := range needs {
		patches = append(patches, patchesFor(text, n.cond.node, n.audiences)...)
	}
	slices.SortStableFunc(patches, func(a, b patch) int { return a.at - b.at })
	var b strings.Builder
	at := 0
	for _, p := range patches {
		b.WriteString(text[at:p.at])
		b.WriteString(p.text)
		at = p.at
	}
	b.WriteString(text[at:])
	return b.String()
}

// patchesFor makes a list of a lone value; to a list it appends with the
// separator that the list uses already. The audiences need no escapes:
// EditRequest.check saw to it.
func patchesFor(text string, n *node, audiences []string) []patch {
	if n.kind != isList {
		return []patch{{n.start, "["}, {n.end, `,"` + strings.Join(audiences, `","`) + `"]`}}
	}
	if len(n.items) == 0 {
		return []patch{{n.start + 1, `"` + strings.Join(audiences, `","`) + `"`}}
	}
	sep := separator(text, n)
	var b strings.Builder
	for _, a := range audiences {
		b.WriteString(sep + `"` + a + `"`)
	}
	return []patch{{n.items[len(n.items)-1].end, b.String()}}
}

// separator is what stands between the last two items; of a list with one item,
// a comma and what stands before that item.
func separator(text string, n *node) string {
	last := len(n.items) - 1
	if last > 0 {
		return text[n.items[last-1].end:n.items[last].start]
	}
	return "," + text[n.start+1:n.items[0].start]
}
