package pingone

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/signin"
)

// related reports whether an app has to do with sign-in to AWS, whatever its
// kind and protocol. It errs on the side of showing an app.
func related(raw []byte) bool {
	v, err := idp.Parse(raw)
	if err != nil {
		return mentionsAWS(string(raw))
	}
	list, _ := v.At(acsURLs)
	texts := []string{}
	for _, item := range list.Items() {
		s, _ := item.Text()
		texts = append(texts, s)
	}
	for _, p := range []idp.Pointer{acsURLs, entityID, "/replyUrl", "/homePageUrl"} { // WS-Fed and links have the last two
		texts = append(texts, text(v, p))
	}
	for _, s := range templateTexts(v) {
		texts = append(texts, s)
	}
	for _, s := range texts {
		if mentionsAWS(s) {
			return true
		}
	}
	return false
}

// templateTexts returns every text of a catalogue app's configuration, by its
// pointer. It is documented as a map of names to texts; anything deeper is
// looked at as well.
func templateTexts(app idp.Value) map[idp.Pointer]string {
	out := map[idp.Pointer]string{}
	at, ok := app.At(configuration)
	var value any
	if ok && json.Unmarshal(at.Raw(), &value) == nil {
		collect(configuration, value, out)
	}
	return out
}

func collect(at idp.Pointer, value any, out map[idp.Pointer]string) {
	switch v := value.(type) {
	case string:
		out[at] = v
	case []any:
		for i, item := range v {
			collect(at.Child(strconv.Itoa(i)), item, out)
		}
	case map[string]any:
		for key, item := range v {
			collect(at.Child(key), item, out)
		}
	}
}

// mentionsAWS is deliberately loose: a misspelt AWS endpoint must be shown too.
func mentionsAWS(s string) bool {
	s = strings.ToLower(s)
	for _, word := range []string{"signin.aws", "signin.amazonaws", "urn:amazon:webservices"} {
		if strings.Contains(s, word) {
			return true
		}
	}
	_, err := signin.ParseACS(s)
	return err == nil
}

// strangeURL reports whether a text of a template holds a URL that is neither
// one of AWS's sign-in endpoints nor a console page.
func strangeURL(s string) bool {
	if !strings.Contains(s, "://") {
		return false
	}
	_, noACS := signin.ParseACS(s)
	_, noPage := signin.ParseRelayState(s)
	return noACS != nil && noPage != nil
}

// maySteer reports whether a text of a template could decide where a login
// goes: it holds AWS's sign-in host or the code of a Region.
func maySteer(s string) bool {
	s = strings.ToLower(s)
	return slices.ContainsFunc(signin.Catalogue(), func(e signin.Endpoint) bool {
		return strings.Contains(s, e.Region.String()) || strings.Contains(s, e.SignInHost)
	})
}

func text(v idp.Value, p idp.Pointer) string {
	at, _ := v.At(p)
	s, _ := at.Text()
	return s
}

// shown is a value for evidence: an endpoint or a setting, never a secret.
func shown(v idp.Value) string {
	s, ok := v.Text()
	switch {
	case !ok && v.Raw() == nil:
		return "(absent)"
	case !ok:
		return fmt.Sprintf("(not a text: %s)", call.Cut(string(v.Raw()), 60))
	}
	return call.Cut(s, 300)
}
