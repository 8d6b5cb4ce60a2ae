package signon

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/secret"
)

// Assertion returns what the page's form would post to AWS. Errors carry a
// finding that says what the page is instead.
func (v *Visit) Assertion(a Answer) (idp.Assertion, error) {
	const look = "sign in through the app as the test user in a browser; assign the app to the user if it is not, and see what stands between"
	no := func(why string) (idp.Assertion, error) {
		return idp.Assertion{}, idp.Unproved(v.id, v.vendor+" sent no SAML response for the test user", why, look)
	}
	if a.Status != http.StatusOK {
		return no(fmt.Sprintf("its page has status %d", a.Status))
	}
	root, err := html.Parse(bytes.NewReader(a.Body))
	if err != nil {
		return no("its page cannot be read as HTML")
	}
	forms := formsOf(root)
	var with []form
	for _, f := range forms {
		if len(f.fields["SAMLResponse"]) > 0 {
			with = append(with, f)
		}
	}
	switch {
	case len(with) > 1:
		return no("its page has several forms with a SAML response")
	case len(with) == 1:
		return v.read(with[0], a.URL)
	case hasPassword(forms):
		return no("it asks for the password again: it did not take the sign-on")
	}
	return no("its page has no form with a SAML response")
}

func (v *Visit) read(f form, page *url.URL) (idp.Assertion, error) {
	response, relay := f.fields["SAMLResponse"], f.fields["RelayState"]
	action, err := page.Parse(f.action)
	text, bad := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(response[0]), ""))
	if err != nil || bad != nil || len(response) > 1 || len(relay) > 1 || !strings.EqualFold(f.method, http.MethodPost) {
		return idp.Assertion{}, idp.Unproved(v.id, v.vendor+"'s form with the SAML response cannot be understood",
			"a field stands in it twice, is not base64, or it is not posted to a URL", "sign in through the app as the test user in a browser")
	}
	out := idp.Assertion{Response: secret.New(string(text)), Posts: true, Action: action.String()}
	if len(relay) == 1 {
		out.RelayState = relay[0]
	}
	return out, nil
}

// form is a form of a page: the values of its inputs by name.
type form struct {
	action, method string
	fields         map[string][]string
	password       bool
}

// formsOf returns the forms of a page. html.Parse bounds how deep it nests.
func formsOf(root *html.Node) []form {
	var out []form
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.DataAtom != atom.Form {
			continue
		}
		f := form{action: attr(n, "action"), method: attr(n, "method"), fields: map[string][]string{}}
		for in := range n.Descendants() {
			if in.Type != html.ElementNode || in.DataAtom != atom.Input {
				continue
			}
			name := attr(in, "name")
			f.fields[name] = append(f.fields[name], attr(in, "value"))
			f.password = f.password || strings.EqualFold(attr(in, "type"), "password")
		}
		out = append(out, f)
	}
	return out
}

func hasPassword(forms []form) bool {
	for _, f := range forms {
		if f.password {
			return true
		}
	}
	return false
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Namespace == "" && a.Key == key {
			return a.Val
		}
	}
	return ""
}
