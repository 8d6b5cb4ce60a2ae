package login

import (
	"iter"
	"strings"

	"golang.org/x/net/html"
)

func (p *page) elements(name string) iter.Seq[*html.Node] { return elementsIn(p.root, name) }

// elementsIn walks the elements of one name below n, in page order.
func elementsIn(n *html.Node, name string) iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) {
		for d := range n.Descendants() {
			if d.Type == html.ElementNode && d.Data == name && !yield(d) {
				return
			}
		}
	}
}

func has(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// maxWords cuts what a page says.
const maxWords = 1000

// words returns the visible text of n with single spaces.
func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && !hidden(d.Parent) {
			b.WriteString(d.Data)
			b.WriteByte(' ')
		}
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "..."
	}
	return text
}

// hidden elements hold text that nobody sees.
func hidden(n *html.Node) bool {
	return n != nil && (n.Data == "script" || n.Data == "style" || n.Data == "noscript" || n.Data == "template")
}
