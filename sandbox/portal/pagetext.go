package portal

// pageText holds the pages. html/template escapes every value for its place.
const pageText = `{{define "top"}}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{.Title}} - samlfailover sandbox</title>
<style nonce="{{.Nonce}}">
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e8eaed); --soft: light-dark(#57606a, #9aa4af); --paper: light-dark(#f6f8fa, #14171b); --card: light-dark(#fff, #1f242a); --line: light-dark(#d0d7de, #39414a); --accent: light-dark(#0550ae, #79b8ff); --bad: light-dark(#a40e26, #ff9492); }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; justify-content: space-between; padding: .75rem 1rem; border-bottom: 1px solid var(--line); background: var(--card); }
main { max-width: 44rem; margin: 0 auto; padding: 1.5rem 1rem; }
main:has(.card) { max-width: 26rem; }
h1 { font-size: 1.35rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; }
.card, .tile { display: block; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; }
.card > :last-child { margin-bottom: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(16rem, 100%), 1fr)); gap: .75rem; padding: 0; margin: 0; list-style: none; }
.tile { height: 100%; color: var(--accent); font-weight: 600; text-decoration: none; overflow-wrap: anywhere; }
.tile:hover, .tile:focus-visible { border-color: var(--accent); }
label { display: block; margin: 0 0 .75rem; }
input { display: block; width: 100%; margin-top: .2rem; padding: .5rem; font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: .4rem; }
button { padding: .5rem 1rem; font: inherit; font-weight: 600; color: var(--card); background: var(--accent); border: 0; border-radius: .4rem; cursor: pointer; }
.plain { padding: .25rem .5rem; font-weight: 400; color: var(--accent); background: none; }
[role=alert] { color: var(--bad); margin: 0 0 1rem; overflow-wrap: anywhere; }
a { color: var(--accent); }
</style>
</head>
<body>
<header><strong>{{.Title}}</strong><span class="soft">samlfailover sandbox: nothing here is real</span></header>
<main>
{{end}}
{{define "bottom"}}</main>
</body>
</html>
{{end}}
{{define "signin"}}{{template "top" .}}<h1>Sign in</h1>
<form class="card" method="post" action="{{.Action}}" id="signin">
{{with .Problem}}<p role="alert">{{.}}</p>
{{end}}<label>User name<input name="username" autocomplete="username" required value="{{.Login}}"{{if not .Login}} autofocus{{end}}></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required{{if .Login}} autofocus{{end}}></label>
<input type="hidden" name="fromURI" value="{{.From}}">
<button>Sign in</button>
<p class="soft">Who can sign in, and with which password, is written at the top of the sandbox's env file.</p>
</form>
{{template "bottom" .}}{{end}}
{{define "home"}}{{template "top" .}}<h1>My apps</h1>
{{if .Tiles}}<ul class="tiles">
{{range .Tiles}}<li><a class="tile" data-app-id="{{.ID}}" data-app-label="{{.Label}}" href="{{.Href}}">{{.Label}}</a></li>
{{end}}</ul>
{{else}}<p>No app is assigned to you.</p>
{{end}}<form method="post" action="{{.SignOut}}"><p class="soft">Signed in as {{.Login}}. <button class="plain">Sign out</button></p></form>
{{template "bottom" .}}{{end}}
{{define "post"}}{{template "top" .}}<h1>Opening {{.Label}}</h1>
<form method="post" action="{{.Action}}" id="saml">
<input type="hidden" name="SAMLResponse" value="{{.Response}}">
{{if .RelayState}}<input type="hidden" name="RelayState" value="{{.RelayState}}">
{{end}}<p class="soft">Your sign-in is on its way to {{.Action}}</p>
<noscript><button>Continue</button></noscript>
</form>
<script nonce="{{.Nonce}}">document.getElementById("saml").submit();</script>
{{template "bottom" .}}{{end}}
{{define "refusal"}}{{template "top" .}}<h1>This does not work</h1>
<p role="alert">{{.Why}}</p>
<p><a href="{{.Home}}">Back to my apps</a></p>
{{template "bottom" .}}{{end}}`
