package person_test

import (
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/person"
	"github.com/samlfailover/samlfailover/sandbox/portal"
)

func TestDirectory(t *testing.T) {
	t.Parallel()
	var d person.Directory
	apps := map[string]person.Assignment{"1": {}}
	if !d.Add(person.User{Login: "Ada", Password: "pw", Apps: apps}) || d.Add(person.User{Login: "ADA", Password: "x"}) || d.Add(person.User{Login: "eve"}) || d.Add(person.User{Password: "x"}) {
		t.Error("who was taken in")
	}
	delete(apps, "1")
	if u, ok := d.Find("aDa"); !ok || len(u.Apps) != 1 {
		t.Errorf("%+v", u)
	}
	for _, c := range []struct {
		login, password string
		ok              bool
	}{{"ada", "pw", true}, {"ada", "PW", false}, {"ada", "", false}, {"eve", "", false}} {
		if login, ok := d.Authenticate(c.login, c.password); ok != c.ok || ok && login != "Ada" {
			t.Errorf("%+v: %q %v", c, login, ok)
		}
	}
}

// TestComplete adds what is set and not sent yet, in a fixed order.
func TestComplete(t *testing.T) {
	t.Parallel()
	a := person.Assignment{Roles: []person.RolePair{{Role: "r", Provider: "p"}}, SourceIdentity: "me", Tags: map[string]string{"b": "2", "a": "1", "c": ""},
		TransitiveTags: []string{"a", ""}, SessionDuration: 60}
	show := func(list []portal.Attribute) string {
		var b strings.Builder
		for _, at := range list {
			b.WriteString(strings.TrimPrefix(at.Name, person.AWSAttribute) + "=" + strings.Join(at.Values, ",") + " ")
		}
		return b.String()
	}
	if got := show(a.Complete(nil)); got != "SourceIdentity=me SessionDuration=60 PrincipalTag:a=1 PrincipalTag:b=2 TransitiveTagKeys=a " {
		t.Error(got)
	}
	sent := []portal.Attribute{{Name: person.AWSAttribute + "SourceIdentity", Values: []string{"theirs"}}, {Name: "empty"}}
	if got := show(a.Complete(sent)); !strings.HasPrefix(got, "SourceIdentity=theirs SessionDuration") || strings.Contains(got, "empty") || len(sent) != 2 || sent[1].Name != "empty" {
		t.Error(got)
	}
	if got := show(person.Assignment{}.Complete(nil)); got != "" {
		t.Error(got)
	}
	if got := strings.Join(a.RoleValues(), " "); got != "r,p" {
		t.Error(got)
	}
}
