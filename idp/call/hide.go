package call

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/samlfailover/samlfailover/outbound"
)

// hidden stands where a vendor, or a page in front of it, repeats the credential
// that we sent: its words go into findings, logs and the audit record.
const hidden = "[redacted]"

// shortest is the length below which a text is taken for a word and left alone.
const shortest = 6

// hide takes what we sent as a credential out of an answer that is no success.
// sent is the header of r as it was signed.
func hide(resp outbound.Response, r Request, sent http.Header) outbound.Response {
	if resp.Status/100 == 2 {
		return resp
	}
	resp.Header = resp.Header.Clone()
	for _, s := range credentials(r, sent) {
		if len(s) < shortest {
			continue
		}
		resp.Body = bytes.ReplaceAll(resp.Body, []byte(s), []byte(hidden))
		for _, values := range resp.Header {
			for i, v := range values {
				values[i] = strings.ReplaceAll(v, s, hidden)
			}
		}
	}
	return resp
}

// credentials returns what a request holds that nobody else may see: what its
// header was signed with, also as Basic packs it, the secrets of a form, and
// those that the request names, each as it is and as it is encoded.
func credentials(r Request, sent http.Header) []string {
	var out []string
	for name, values := range sent {
		if r.Header.Get(name) == "" && name != "Accept" {
			out = append(out, values...)
		}
	}
	scheme, value, _ := strings.Cut(sent.Get("Authorization"), " ")
	out = append(out, value)
	if strings.EqualFold(scheme, "Basic") {
		pair, _ := base64.StdEncoding.DecodeString(value)
		_, pass, _ := strings.Cut(string(pair), ":")
		plain, _ := url.QueryUnescape(pass)
		out = append(out, pass, plain)
	}
	for _, s := range r.Secrets {
		out = append(out, s.Reveal(), url.QueryEscape(s.Reveal()))
		out = append(out, inJSON(s.Reveal())...)
	}
	if sent.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return out
	}
	form, _ := url.ParseQuery(string(r.Body))
	for _, name := range []string{"client_secret", "client_assertion"} {
		out = append(out, form.Get(name), url.QueryEscape(form.Get(name)))
	}
	return out
}

// inJSON returns a text as encoders write it into a JSON string: with and
// without what only HTML needs, and with slashes escaped.
func inJSON(s string) []string {
	var out []string
	for _, html := range []bool{true, false} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if e.Encode(s) != nil {
			continue
		}
		quoted := strings.TrimSpace(b.String())
		inner := quoted[1 : len(quoted)-1]
		out = append(out, inner, strings.ReplaceAll(inner, "/", `\/`))
	}
	return out
}
