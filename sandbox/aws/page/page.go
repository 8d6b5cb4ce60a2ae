// Package page is for the look that all of the simulated AWS's web pages share:
// readable in light and dark, on a narrow screen, without script, and always
// marked as the sandbox.
//
// It must never hold a fact about AWS.
package page

import (
	"bytes"
	"html/template"
	"net/http"
)

const shell = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
{{block "meta" .}}{{end}}
<title>{{block "title" .}}{{end}}</title>
<style>
:root { color-scheme: light dark; --ink: #16191f; --paper: #f2f3f3; --card: #fff; --line: #d5dbdb; --soft: #545b64; --act: #0a5ca8; --bad: #b3261e; --mark: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9ebed; --paper: #10161d; --card: #18212b; --line: #354150; --soft: #a4adb8; --act: #6cb2f5; --bad: #ff8f85; --mark: #f0b95a; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
.mark { padding: .4rem 1rem; text-align: center; font-size: .85rem; color: var(--mark); border-bottom: 1px solid var(--line); }
main { max-width: 40rem; margin: 2rem auto; padding: 1.5rem; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
h1 { margin: 0 0 1rem; font-size: 1.35rem; font-weight: 600; }
p { margin: .6rem 0; overflow-wrap: anywhere; }
main > :last-child, form > :last-child { margin-bottom: 0; }
a { color: var(--act); }
.error { padding: .7rem .9rem; border-left: 4px solid var(--bad); color: var(--bad); }
.note, dt { color: var(--soft); font-size: .9rem; }
.note { margin-top: 1.2rem; padding-top: .8rem; border-top: 1px solid var(--line); }
dl { display: grid; align-items: baseline; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .35rem 1rem; margin: 1rem 0; }
dd { margin: 0; overflow-wrap: anywhere; font-weight: 500; }
fieldset { border: 0; margin: 0; padding: 0; }
.saml-account { margin: 0 0 .8rem; }
.saml-account-name { font-weight: 600; padding: .3rem 0; border-bottom: 1px solid var(--line); }
.saml-role { padding: .35rem .5rem; overflow-wrap: anywhere; }
.saml-role-description { cursor: pointer; }
button { font: inherit; padding: .5rem 1.3rem; border: 0; border-radius: 2rem; color: var(--card); background: var(--act); cursor: pointer; }
button:focus-visible, input:focus-visible, a:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
@media (max-width: 34rem) { main { margin: 0; border-width: 0 0 1px; border-radius: 0; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
</style>
</head>
<body>
<div class="mark">samlfailover sandbox - not AWS</div>
<main>{{block "body" .}}{{end}}</main>
</body>
</html>
`

// New makes a page from a template text that defines "title", "body" and, if
// wanted, "meta". It panics on a template that does not parse.
func New(text string) *template.Template {
	return template.Must(template.Must(template.New("page").Parse(shell)).Parse(text))
}

// Write renders a page. Pages are never cached and may not be framed.
func Write(w http.ResponseWriter, status int, t *template.Template, data any) {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		http.Error(w, "the sandbox could not render a page: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
