package pingone_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/pingone"
)

const sourceIdentity = "https://aws.amazon.com/SAML/Attributes/SourceIdentity"

type mapped struct {
	ID, Name, Value, MappingType, NameFormat string
	Required                                 bool
}

func mappingsOf(t testing.TB, tn *pingone.Tenant, id string) []mapped {
	t.Helper()
	var page struct {
		In struct{ Attributes []mapped } `json:"_embedded"`
	}
	a := call(tn, writer(t, tn), "GET", attributesOf(id), "")
	if err := json.Unmarshal(a.body, &page); err != nil || a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return page.In.Attributes
}

// TestMappings: add, change, remove; names are unique; core mappings stay.
func TestMappings(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, options())
	id := addApp(t, tn, "AWS")
	token := writer(t, tn)
	first := mappingsOf(t, tn, id)
	if len(first) != 3 || first[0].MappingType != "CORE" || first[0].Name != "saml_subject" {
		t.Fatalf("%+v", first)
	}
	body := `{"name":"` + sourceIdentity + `","value":"${user.email}","required":true,"nameFormat":"urn:oasis:names:tc:SAML:2.0:attrname-format:uri"}`
	a := call(tn, token, "POST", attributesOf(id), body)
	made := parse(t, a.body)
	mid, _ := made["id"].(string)
	if a.status != 201 || mid == "" || made["mappingType"] != "CUSTOM" || made["createdAt"] == nil || made["updatedAt"] == nil || made["_links"] == nil ||
		asJSON(made["application"]) != `{"id":"`+id+`"}` || made["nameFormat"] == nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := call(tn, token, "GET", attribute(id, mid), ""); string(got.body) != string(a.body) {
		t.Errorf("read: %s", got.body)
	}
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"the same again", "POST", attributesOf(id), body, 400, "INVALID_DATA"},
		{"without required", "POST", attributesOf(id), `{"name":"n","value":"v"}`, 201, ""},
		{"without a value", "POST", attributesOf(id), `{"name":"m","required":true}`, 400, "INVALID_DATA"},
		{"without a name", "POST", attributesOf(id), `{"value":"m","required":true}`, 400, "INVALID_DATA"},
		{"value a number", "POST", attributesOf(id), `{"name":"m","value":1,"required":true}`, 400, "INVALID_DATA"},
		{"required a text", "POST", attributesOf(id), `{"name":"m","value":"1","required":"yes"}`, 400, "INVALID_DATA"},
		{"the subject", "POST", attributesOf(id), `{"name":"SAML_Subject","value":"x","required":true}`, 400, "INVALID_DATA"},
		{"the subject by its other name", "POST", attributesOf(id), `{"name":"samlassertion.Subject","value":"x","required":true}`, 400, "INVALID_DATA"},
		{"to a taken name", "PUT", attribute(id, mid), `{"name":"n","value":"x","required":true}`, 400, "INVALID_DATA"},
		{"change", "PUT", attribute(id, mid), `{"id":"evil","mappingType":"CORE","name":"` + sourceIdentity + `","value":"${user.username}","required":false}`, 200, ""},
		{"rename the core one", "PUT", attribute(id, first[0].ID), `{"name":"x","value":"${user.id}","required":true}`, 400, "INVALID_DATA"},
		{"change the core one", "PUT", attribute(id, first[0].ID), `{"name":"saml_subject","value":"${user.id}","required":true}`, 200, ""},
		{"remove the core one", "DELETE", attribute(id, first[0].ID), "", 400, "INVALID_DATA"},
		{"change none", "PUT", attribute(id, "none"), body, 404, "NOT_FOUND"},
		{"remove none", "DELETE", attribute(id, "none"), "", 404, "NOT_FOUND"},
		{"of no app", "GET", attributesOf("none"), "", 404, "NOT_FOUND"},
		{"PATCH", "PATCH", attribute(id, mid), "", 405, "METHOD_NOT_ALLOWED"},
		{"DELETE all", "DELETE", attributesOf(id), "", 405, "METHOD_NOT_ALLOWED"},
		{"not JSON", "POST", attributesOf(id), "x", 400, "INVALID_REQUEST"},
	} {
		if a := call(tn, token, c.method, c.path, c.body); a.status != c.status || a.code() != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, a.status, a.body, c.status, c.code)
		}
	}
	got := mappingsOf(t, tn, id)
	if len(got) != 5 || got[3].ID != mid || got[3].Value != "${user.username}" || got[3].MappingType != "CUSTOM" || got[3].Required || got[0].Value != "${user.id}" {
		t.Errorf("%+v", got)
	}
	before, _ := tn.App(id)
	call(tn, token, "PUT", appPath(id), asJSON(stored(t, tn, id)))
	if len(mappingsOf(t, tn, id)) != 5 {
		t.Error("a PUT of the application changed its mappings")
	}
	if a := call(tn, token, "DELETE", attribute(id, mid), ""); a.status != 204 || len(a.body) != 0 || len(mappingsOf(t, tn, id)) != 4 {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if strings.Contains(string(before), sourceIdentity) {
		t.Error("mappings stand in the application")
	}
}

func TestMappingReadingsAndLimit(t *testing.T) {
	t.Parallel()
	o := options()
	o.Readings = pingone.Readings{DropNameFormat: true, ConflictIs409: true}
	tn := newTenant(t, o)
	id := addApp(t, tn, "AWS")
	token := writer(t, tn)
	body := `{"name":"a","value":"v","required":true,"nameFormat":"f"}`
	if a := call(tn, token, "POST", attributesOf(id), body); a.status != 201 || strings.Contains(string(a.body), "nameFormat") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := call(tn, token, "POST", attributesOf(id), body); a.status != 409 {
		t.Errorf("again: %d", a.status)
	}
	for i := range 96 {
		if a := call(tn, token, "POST", attributesOf(id), fmt.Sprintf(`{"name":"n%d","value":"v"}`, i)); a.status != 201 {
			t.Fatalf("%d: %d %s", i, a.status, a.body)
		}
	}
	if a := call(tn, token, "POST", attributesOf(id), `{"name":"too many","value":"v"}`); a.status != 400 {
		t.Errorf("the 101st: %d", a.status)
	}
}
