package login_test

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/login"
	"github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/sandbox/person"
	"github.com/samlfailover/samlfailover/sandbox/pingone"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
)

const westConsole = "https://us-west-2.console.aws.amazon.com/"

// vendor is an app at one of the identity providers, with all that a sign-in
// needs.
type vendor struct {
	name   string
	portal string // of the tiles
	app    string // id
	start  string // address that starts sign-in to the app
	nobody string // such an address of an app that the person does not have
	world  *world
	move   func(t *testing.T, to, relayState string)
	edit   func(id string, f func(map[string]any)) error
}

func vendors(t *testing.T) []vendor {
	t.Helper()
	return []vendor{pingOne(t), oneLogin(t)}
}

func aKey() (*rsa.PrivateKey, error) { return testKeys()[0], nil }

func ada(app string) person.User {
	return person.User{Login: "ada@example.com", Password: "pw", Apps: map[string]person.Assignment{
		app: {Roles: []person.RolePair{{Role: admin, Provider: provider}}}}}
}

// around makes the AWS side that trusts the app.
func around(t *testing.T, metadata []byte, sites []proxy.Site) *world {
	t.Helper()
	w := &world{aws: aws.New(), hosts: map[string]http.Handler{}, fails: map[string]error{}}
	acc := w.aws.AddAccount(account, "prod")
	if _, err := acc.PutProvider("okta", metadata); err != nil {
		t.Fatal(err)
	}
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithSAML","Condition":{"StringEquals":{"SAML:aud":[%q,%q]}}}]}`, provider, east, west)
	if err := acc.PutRole(aws.Role{Name: "admin", Trust: trust}); err != nil {
		t.Fatal(err)
	}
	for _, s := range append(w.aws.Sites(), sites...) {
		w.hosts[s.Host] = s.Handler
	}
	return w
}

func pingOne(t *testing.T) vendor {
	tn, err := pingone.New(pingone.Options{Environments: []string{"prod"}, NewKey: aKey})
	if err != nil {
		t.Fatal(err)
	}
	env := pingone.EnvironmentID("prod")
	id, err := tn.AddSAMLApp(env, "AWS Prod", pingone.AppSettings{ACS: []string{east, west}})
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := tn.Metadata(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := tn.AddUser(env, ada(id)); err != nil {
		t.Fatal(err)
	}
	v := vendor{name: "PingOne", portal: tn.Portal(env), app: id, start: tn.StartURL(id), nobody: tn.StartURL(id) + "x", world: around(t, metadata, tn.Sites()), edit: tn.EditApp}
	v.move = func(t *testing.T, to, relayState string) {
		t.Helper()
		if err := tn.EditApp(id, func(doc map[string]any) {
			doc["acsUrls"], doc["defaultTargetUrl"] = []any{to, east}, relayState
		}); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

func oneLogin(t *testing.T) vendor {
	tn, err := onelogin.New(onelogin.Options{Subdomain: "acme", NewKey: aKey})
	if err != nil {
		t.Fatal(err)
	}
	id, err := tn.AddSAMLApp("AWS Prod", onelogin.AppSettings{ACS: east})
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := tn.Metadata(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := tn.AddUser(ada(id)); err != nil {
		t.Fatal(err)
	}
	v := vendor{name: "OneLogin", portal: tn.Portal(), app: id, start: "https://acme.onelogin.com/launch/" + id,
		nobody: "https://acme.onelogin.com/launch/777", world: around(t, metadata, tn.Sites()), edit: tn.EditApp}
	v.move = func(t *testing.T, to, relayState string) {
		t.Helper()
		if err := tn.EditApp(id, func(doc map[string]any) {
			c := doc["configuration"].(map[string]any)
			c["consumer_url"], c["recipient"], c["relaystate"] = to, to, relayState
		}); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// TestOtherVendors walks both portals, by tile and by the address that starts
// sign-in, before and after a move.
func TestOtherVendors(t *testing.T) {
	t.Parallel()
	for _, v := range vendors(t) {
		ways := map[string]login.Request{
			"tile by label": {Portal: v.portal, App: "AWS Prod"}, "tile by id": {Portal: v.portal, App: v.app},
			"first tile": {Portal: v.portal}, "start address": {Portal: v.start},
		}
		run := func(how string, r login.Request, region, landing string) {
			r.User, r.Password = "ada@example.com", "pw"
			res := login.Run(context.Background(), v.world, r)
			if !res.OK || res.Region != region || res.Role != "admin" || landing != "" && res.Landing != landing {
				t.Errorf("%s, %s: %+v", v.name, how, res)
			}
		}
		for how, r := range ways {
			run(how, r, "us-east-1", "")
		}
		v.move(t, west, westConsole)
		for how, r := range ways {
			run(how+" after the move", r, "us-west-2", westConsole)
		}
	}
}

// TestOtherVendorsReasons: what stops a sign-in is told.
func TestOtherVendorsReasons(t *testing.T) {
	t.Parallel()
	for _, v := range vendors(t) {
		for _, c := range []struct {
			name    string
			request login.Request
			reason  string
		}{
			{"wrong password", login.Request{Portal: v.start, Password: "x"}, "did not sign ada@example.com in: Unable to sign in"},
			{"another app", login.Request{Portal: v.portal, Password: "pw", App: "none"}, `sees no app "none" in the portal, only: AWS Prod`},
			{"an app of nobody", login.Request{Portal: v.nobody, Password: "pw"}, "let ada@example.com in and then stopped: "},
		} {
			c.request.User = "ada@example.com"
			if res := login.Run(context.Background(), v.world, c.request); res.OK || !strings.Contains(res.Reason, c.reason) {
				t.Errorf("%s, %s: %q", v.name, c.name, res.Reason)
			}
		}
		v.move(t, "https://evil.example/saml", "")
		res := login.Run(context.Background(), v.world, login.Request{Portal: v.start, User: "ada@example.com", Password: "pw"})
		if res.OK || !strings.Contains(res.Reason, "evil.example") && !strings.Contains(res.Reason, "Validator") {
			t.Errorf("%s, foreign ACS: %q", v.name, res.Reason)
		}
		v.move(t, west, westConsole)
		if v.name == "OneLogin" { // the recipient is a field of its own there
			if err := v.edit(v.app, func(doc map[string]any) { doc["configuration"].(map[string]any)["recipient"] = east }); err != nil {
				t.Fatal(err)
			}
			res := login.Run(context.Background(), v.world, login.Request{Portal: v.start, User: "ada@example.com", Password: "pw"})
			if res.OK || !strings.Contains(res.Reason, "invalid SAML response") {
				t.Errorf("recipient forgotten: %q", res.Reason)
			}
		}
	}
}
