package login

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// page is one HTML page as far as a sign-in needs it.
type page struct {
	url    *url.URL
	status int
	root   *html.Node
}

// form is an HTML form, filled in as the page has it. choices are the values of
// its radio buttons, in page order.
type form struct {
	action  *url.URL
	method  string
	fields  url.Values
	choices []string
}

// signInForm is a form with a password field.
type signInForm struct {
	form
	userField, passwordField string
}

// tile is a link to an app.
type tile struct {
	id, label string
	href      *url.URL
}

// consoleMark is what the sandbox's console page says about the session.
type consoleMark struct{ region, account, role string }

// formWith returns the first form that has a field of this name.
func (p *page) formWith(name string) (form, bool) {
	for f := range p.elements("form") {
		for in := range elementsIn(f, "input") {
			if attr(in, "name") == name {
				read, ok := p.readForm(f)
				return read, ok
			}
		}
	}
	return form{}, false
}

// passwordForm returns the first form with a password field and a text field.
func (p *page) passwordForm() (signInForm, bool) {
	for f := range p.elements("form") {
		var s signInForm
		for in := range elementsIn(f, "input") {
			switch attr(in, "type") {
			case "password":
				s.passwordField = attr(in, "name")
			case "", "text", "email":
				s.userField = attr(in, "name")
			}
		}
		read, ok := p.readForm(f)
		if s.form = read; ok && s.passwordField != "" && s.userField != "" {
			return s, true
		}
	}
	return signInForm{}, false
}

// readForm reads a form element; a missing action is the page itself.
func (p *page) readForm(f *html.Node) (form, bool) {
	action, err := p.url.Parse(strings.TrimSpace(attr(f, "action")))
	if err != nil {
		return form{}, false
	}
	out := form{action: action, method: http.MethodGet, fields: url.Values{}}
	if strings.EqualFold(attr(f, "method"), "post") {
		out.method = http.MethodPost
	}
	for in := range elementsIn(f, "input") {
		name := attr(in, "name")
		switch kind := attr(in, "type"); {
		case name == "" || kind == "submit" || kind == "button" || kind == "image":
		case kind == "radio":
			out.choices = append(out.choices, attr(in, "value"))
		case kind == "checkbox" && !has(in, "checked"):
		default:
			out.fields.Add(name, attr(in, "value"))
		}
	}
	return out, true
}

// tiles returns the dashboard's app links.
func (p *page) tiles() []tile {
	var out []tile
	for a := range p.elements("a") {
		href, err := p.url.Parse(attr(a, "href"))
		if id := attr(a, "data-app-id"); id != "" && err == nil {
			out = append(out, tile{id: id, label: attr(a, "data-app-label"), href: href})
		}
	}
	return out
}

// console reads the marks of the sandbox's console page.
func (p *page) console() (consoleMark, bool) {
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && has(n, "data-region") {
			return consoleMark{attr(n, "data-region"), attr(n, "data-account"), attr(n, "data-role")}, true
		}
	}
	return consoleMark{}, false
}

// says is the page's message as one sentence: its alert, else its heading and
// first paragraph, else its title; with the host and an unusual status, and
// with the remark that the sandbox's AWS adds to a refusal.
func (p *page) says() string {
	message := p.firstWith("role", "alert")
	if message == "" {
		message = strings.TrimSpace(p.first("h1") + " " + p.first("p"))
	}
	if message == "" {
		message = p.first("title")
	}
	if message == "" {
		return fmt.Sprintf("%s answered %d %s without any text", p.url.Host, p.status, http.StatusText(p.status))
	}
	where := p.url.Host
	if p.status >= 400 {
		where = fmt.Sprintf("%s answered %d", p.url.Host, p.status)
	}
	if note := p.firstWith("id", "sandbox-note"); note != "" {
		where += "; " + note
	}
	return message + " (" + where + ")"
}

// firstWith returns the words of the first element with this attribute value.
func (p *page) firstWith(key, value string) string {
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && attr(n, key) == value {
			return words(n)
		}
	}
	return ""
}

// first returns the words of the first element of this kind.
func (p *page) first(name string) string {
	for n := range p.elements(name) {
		return words(n)
	}
	return ""
}
