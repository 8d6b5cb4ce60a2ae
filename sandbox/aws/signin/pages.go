package signin

import (
	"net/http"

	"github.com/samlfailover/samlfailover/sandbox/aws/assertion"
	"github.com/samlfailover/samlfailover/sandbox/aws/page"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
)

// title is what client tools look for (saml2aws, gimme-aws-creds).
const title = `{{define "title"}}Amazon Web Services Sign-In{{end}}`

var failure = page.New(title + `{{define "body"}}<h1>Sign-in failed</h1>
<p class="error" id="error" role="alert" data-status="{{.Status}}" data-code="{{.Code}}">{{.Message}}</p>
<p><a href="/logout">Log out</a></p>
{{with .Why}}<p class="note" id="sandbox-note">Sandbox note (AWS shows nothing like it): {{.}}</p>{{end}}{{end}}`)

type failureData struct {
	Status             int
	Code, Message, Why string
}

// fail shows AWS's sentence and, apart from it, the sandbox's own explanation.
func (h *Handler) fail(w http.ResponseWriter, id string, r *assertion.Refusal) {
	page.Write(w, r.Status, failure, failureData{r.Status, r.Code, r.PageMessage(id), r.Why})
}

var signedOut = page.New(title + `{{define "body"}}<h1>Not signed in</h1>
<p>This is the sign-in endpoint of {{.}}. Federated users start at their identity provider: open the AWS tile in its portal.</p>{{end}}`)

var noConsole = page.New(title + `{{define "body"}}<h1>Signed in to {{.}}</h1>
<p>No console host is known for this Region.</p>{{end}}`)

// The class names, label and input are those that client tools scrape.
var chooser = page.New(title + `{{define "body"}}<h1>Select a role</h1>
<form id="saml_form" name="saml_form" action="{{.Action}}" method="post">
<input type="hidden" name="SAMLResponse" value="{{.SAMLResponse}}">
<input type="hidden" name="RelayState" value="{{.RelayState}}">
<input type="hidden" name="name" value="">
<input type="hidden" name="portal" value="">
<fieldset>
{{range .Accounts}}<div class="saml-account">
<div class="saml-account-name">{{.Title}}</div>
{{range .Roles}}<div class="saml-role"><input type="radio" name="roleIndex" value="{{.ARN}}" id="{{.ARN}}" class="saml-radio" required> <label for="{{.ARN}}" class="saml-role-description">{{.Name}}</label></div>
{{end}}</div>
{{end}}</fieldset>
<p><button type="submit" id="signin_button">Sign in</button></p>
</form>{{end}}`)

type chooserData struct {
	Action, SAMLResponse, RelayState string
	Accounts                         []chooserAccount
}

type chooserAccount struct {
	id, Title string
	Roles     []chooserRole
}

type chooserRole struct{ ARN, Name string }

// choose lists every role of the assertion by account, admitted or not, as AWS
// does: the trust policy is asked only for the role that is picked.
func (v visit) choose(offers []offer, encoded string) {
	d := chooserData{Action: v.r.URL.Path, SAMLResponse: encoded, RelayState: v.r.PostForm.Get("RelayState")}
	for _, o := range offers {
		arn, ok := world.ParseARN(o.role)
		if !ok {
			continue
		}
		d.Accounts = addRole(d.Accounts, arn.Account, v.accountTitle(arn.Account), chooserRole{o.role, arn.Name()})
	}
	page.Write(v.w, http.StatusOK, chooser, d)
}

func addRole(list []chooserAccount, id, title string, r chooserRole) []chooserAccount {
	for i := range list {
		if list[i].id == id {
			list[i].Roles = append(list[i].Roles, r)
			return list
		}
	}
	return append(list, chooserAccount{id, title, []chooserRole{r}})
}

// accountTitle is "Account: name (number)".
func (v visit) accountTitle(id string) string {
	if acc, ok := v.Cloud.Account(v.Endpoint.Partition, id); ok && acc.Name() != "" {
		return "Account: " + acc.Name() + " (" + id + ")"
	}
	return "Account: " + id
}
