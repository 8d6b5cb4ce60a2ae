package okta_test

import (
	"net/http"
	"testing"
)

// bareApp is a custom app with hardly anything in it.
const bareApp = `{"id":"0oabare","label":"b","signOnMode":"SAML_2_0","settings":{"app":{},"signOn":{"ssoAcsUrl":"` + east + `"}}}`

// FuzzPut: whatever is PUT, the org answers with JSON, a refusal changes
// nothing, and an accepted document still has its id and a proper answer.
func FuzzPut(f *testing.F) {
	for _, seed := range []string{customApp, catalogueApp, pluginApp, bareApp, `{}`, `{"label":"x","signOnMode":"SAML_2_0"}`,
		`{"label":"x","signOnMode":"SAML_2_0","settings":{"signOn":null,"app":1},"credentials":[]}`,
		`{"label":"x","signOnMode":"SAML_2_0","settings":{"signOn":{"slo":{"issuer":"i"},"attributeStatements":[1],"acsEndpoints":[null]}}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		o := newOrg(t, customApp, catalogueApp, pluginApp, bareApp)
		for _, id := range []string{"0oacustom", "0oacat", "0oaplugin", "0oabare"} {
			before, _ := o.App(id)
			a := call(o, "PUT", "/api/v1/apps/"+id, body)
			after, _ := o.App(id)
			switch {
			case a.status == http.StatusOK && parse(t, after)["id"] != id:
				t.Errorf("the id is gone: %s", after)
			case a.status == http.StatusOK && string(after) != string(a.body):
				t.Errorf("the answer is not what is stored: %s and %s", a.body, after)
			case a.status != http.StatusOK && (a.code() == "" || string(after) != string(before)):
				t.Errorf("%d %s", a.status, a.body)
			}
		}
	})
}
