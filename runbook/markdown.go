package runbook

import (
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/failover"
)

// Markdown renders the book as one page of Markdown (CommonMark with tables).
func (b Book) Markdown() []byte {
	var p page
	p.linef("# AWS sign-in by hand: %s", text(b.Federation))
	p.linef("")
	p.linef("For the day on which samlfailover itself cannot do it. Written %s by samlfailover %s, config %s. It holds no secret.",
		clock(b.Written), text(b.Version), text(b.ConfigDigest))
	p.missing(b)
	p.heading("Whom to call")
	for _, c := range b.Contacts {
		p.linef("- **%s**: %s", text(c.Who), text(c.How))
	}
	if len(b.Contacts) == 0 {
		p.linef("The config names nobody. Write it here by hand, and under `runbook.call` in the config:")
		p.linef("")
		p.linef("................................................................")
	}
	p.heading("In which order")
	for i, s := range b.howTo() { // it names the lead app
		p.linef("%d. %s", i+1, text(s))
	}
	p.heading("Which Region")
	p.linef("| Region | roles that will work | scanned |")
	p.linef("|---|---|---|")
	for _, m := range b.Moves {
		p.linef("| %s | %s | %s |", m.title()[len("To "):], m.Ready.sum(), b.aged(m.Ready.TakenAt))
	}
	for _, m := range b.Moves {
		p.move(m)
	}
	p.back(b)
	p.heading("Where to click")
	p.linef("As the vendors' pages look today; a page that has changed has the same fields somewhere near.")
	for _, way := range b.Paths {
		p.linef("")
		p.linef("### %s", own(way.Title))
		p.linef("")
		for i, c := range way.Clicks {
			p.linef("%d. %s", i+1, own(c))
		}
	}
	return []byte(p.String())
}

// page is a page that is being written.
type page struct{ strings.Builder }

func (p *page) linef(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) heading(s string) { p.linef("\n## %s\n", s) }

func (p *page) missing(b Book) {
	for i, m := range b.Missing {
		if i == 0 {
			p.linef("")
			p.linef("**What this paper does not know:**")
			p.linef("")
		}
		p.linef("- %s", text(m))
	}
}

// move writes what to do for one Region.
func (p *page) move(m Move) {
	p.heading(m.title())
	for i, s := range m.Steps {
		lead := ""
		if s.Lead {
			lead = ", the lead: do it first, alone"
		}
		p.linef("### %d. %s%s", i+1, text(s.App.Name), lead)
		p.linef("")
		where := "Tenant " + code(s.App.Tenant) + ", app " + code(s.App.ID) + "; where to click: " + own(s.Path) + "."
		if s.AdminURL != "" {
			where = "Admin page: " + code(s.AdminURL) + ". " + where
		}
		p.linef("%s", where)
		if len(s.Fields) > 0 {
			p.linef("")
			p.linef("| field | now, as last read | set to |")
			p.linef("|---|---|---|")
		}
		for _, f := range s.Fields {
			p.linef("| %s | %s | %s |", text(f.Field), cell(f.Current), cell(f.Target))
		}
		for j, n := range s.Notes {
			if j == 0 {
				p.linef("")
			}
			p.linef("- %s", text(n))
		}
		p.linef("")
	}
	p.list("See that it worked", m.Verify)
	p.list("Tell the people who sign in", m.UserText)
	if len(m.Ready.NotReady) == 0 {
		return
	}
	p.linef("### Roles that will not work there")
	p.linef("")
	for _, g := range m.Ready.NotReady {
		p.linef("- %s: %s", code(g.Role), text(g.Why))
	}
	if m.Ready.More > 0 {
		p.linef("- and %d more: samlfailover readiness names them", m.Ready.More)
	}
}

func (p *page) list(title string, lines []string) {
	p.linef("### %s", title)
	p.linef("")
	for _, l := range lines {
		p.linef("- %s", own(l))
	}
	p.linef("")
}

// back writes how to go back, with every app as it was last read.
func (p *page) back(b Book) {
	p.heading("How to go back")
	for i, s := range b.goBack() {
		p.linef("%d. %s", i+1, own(s))
	}
	p.last(b.Last)
	for _, a := range b.Apps {
		p.linef("")
		name := text(a.App.Name)
		if a.For != "" {
			name += ", stands in for " + text(a.For)
		}
		p.linef("### %s, as last read", name)
		p.linef("")
		if a.AdminURL != "" {
			p.linef("- Admin page: %s", code(a.AdminURL))
		}
		p.linef("- Region: %s; read: %s", regionOrUnknown(a.Region), b.aged(a.ReadAt))
		if !a.ReadAt.IsZero() {
			p.linef("- Endpoint (ACS): %s", code(orDash(a.ACS)))
			p.linef("- RelayState: %s", code(orDash(a.RelayState)))
		}
		if a.Tile != "" {
			p.linef("- Tile: %s", a.Tile)
		}
		for _, w := range a.Warnings {
			p.linef("- Mind: %s", text(w.Error()))
		}
	}
}

// last writes what the newest move left, and what takes it back.
func (p *page) last(m *LastMove) {
	if m == nil {
		return
	}
	p.linef("")
	p.linef("### The last move: %s, to %s, %s, %s", text(m.ID), m.To, clock(m.At), text(m.Status))
	p.fields("It left to do by hand:", m.Remaining)
	p.fields("It is taken back by hand with these values, in the words of the vendor's API:", m.Back)
}

// fields writes fields of several apps.
func (p *page) fields(title string, steps []failover.HandStep) {
	if len(steps) == 0 {
		return
	}
	p.linef("")
	p.linef("%s", title)
	p.linef("")
	p.linef("| app | field | from | set to |")
	p.linef("|---|---|---|---|")
	for _, s := range steps {
		p.linef("| %s | %s | %s | %s |", text(s.App.Name), cell(s.Field), cell(s.Current), cell(s.Target))
	}
}

// text makes text from outside safe in Markdown: nothing in it acts as markup,
// and no address in it becomes a link.
func text(s string) string { return strings.ReplaceAll(own(s), "://", `\://`) }

// own makes a text of ours safe. It escapes no more than it has to: in need the
// page is read, and copied from, as it is.
func own(s string) string {
	s = escape.Terminal(s)
	var b strings.Builder
	for i := range len(s) {
		if acts(s, i) {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// acts reports whether the character at i could be markup where it stands
// (CommonMark 0.31, "Inlines", and the blocks that a line can begin).
func acts(s string, i int) bool {
	word := func(i int) bool {
		return i >= 0 && i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z' || s[i] >= 0x80)
	}
	switch s[i] {
	case '\\', '`', '*', '[', ']', '<', '|':
		return true
	case '_':
		return !word(i-1) || !word(i+1) // inside a word it is a letter
	case '~':
		return i+1 < len(s) && s[i+1] == '~' || i > 0 && s[i-1] == '~'
	case '&':
		return strings.Contains(s[i:], ";") // an entity
	case '#', '>', '+', '-', '=':
		return i == 0
	case '.', ')': // a numbered list
		return i > 0 && i < 10 && strings.Trim(s[:i], "0123456789") == ""
	}
	return false
}

// code shows a value letter by letter.
func code(s string) string {
	s = escape.Terminal(s)
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if longest > 0 || s == "" {
		s = " " + s + " "
	}
	return fence + s + fence
}

// cell is code inside a table, where a bar would end the cell.
func cell(s string) string { return strings.ReplaceAll(code(s), "|", `\|`) }
