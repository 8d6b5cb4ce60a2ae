package login_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	host     = "acme.okta.com"
	account  = "111122223333"
	provider = "arn:aws:iam::111122223333:saml-provider/okta"
	admin    = "arn:aws:iam::111122223333:role/admin"
	reader   = "arn:aws:iam::111122223333:role/reader"
	east     = "https://signin.aws.amazon.com/saml"
	west     = "https://us-west-2.signin.aws.amazon.com/saml"
)

var testKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

// world is a small AWS and an Okta org, reached without a network.
type world struct {
	okta  *okta.Org
	app   string
	aws   *aws.Cloud
	hosts map[string]http.Handler
	fails map[string]error
}

func newWorld(t testing.TB, roles ...string) *world {
	t.Helper()
	next := 0
	o, err := okta.New(okta.Options{Host: host, APIToken: "t", NewKey: func() (*rsa.PrivateKey, error) {
		next++
		return testKeys()[next%2], nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{okta: o, aws: aws.New(), hosts: map[string]http.Handler{}, fails: map[string]error{}}
	if w.app, err = o.AddSAMLApp("AWS Prod", okta.AppSettings{ACS: east, RelayState: "https://us-east-1.console.aws.amazon.com/ec2/home?region=us-east-1#Instances:"}); err != nil {
		t.Fatal(err)
	}
	w.addUser(t, "ada@example.com", roles...)
	w.addAccount(t)
	for _, s := range append(w.aws.Sites(), o.Sites()...) {
		w.hosts[s.Host] = s.Handler
	}
	return w
}

func (w *world) addUser(t testing.TB, login string, roles ...string) {
	t.Helper()
	var pairs []okta.RolePair
	for _, r := range roles {
		pairs = append(pairs, okta.RolePair{Role: r, Provider: provider})
	}
	err := w.okta.AddUser(okta.User{Login: login, Password: "pw", Apps: map[string]okta.Assignment{w.app: {Roles: pairs}}})
	if err != nil {
		t.Fatal(err)
	}
}

// addAccount has an admin role for both Regions and a reader for us-east-1.
func (w *world) addAccount(t testing.TB) {
	t.Helper()
	acc := w.aws.AddAccount(account, "prod")
	md, err := w.okta.Metadata(w.app)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acc.PutProvider("okta", md); err != nil {
		t.Fatal(err)
	}
	trust := func(audiences ...string) string {
		list, _ := json.Marshal(audiences)
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithSAML","Condition":{"StringEquals":{"SAML:aud":%s}}}]}`, provider, list)
	}
	for name, text := range map[string]string{"admin": trust(east, west), "reader": trust(east)} {
		if err := acc.PutRole(aws.Role{Name: name, Trust: text}); err != nil {
			t.Fatal(err)
		}
	}
}

// move points the app at a Region, or only some of its keys at any URL.
func (w *world) move(t testing.TB, to string, keys ...string) {
	t.Helper()
	if len(keys) == 0 {
		keys = []string{"ssoAcsUrl", "recipient", "destination"}
	}
	if err := w.okta.EditApp(w.app, func(doc map[string]any) {
		for _, k := range keys {
			doc["settings"].(map[string]any)["signOn"].(map[string]any)[k] = to
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// RoundTrip calls the host's handler.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := w.fails[r.URL.Host]; err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	h := w.hosts[r.URL.Host]
	if h == nil {
		return nil, &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}
	}
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, in)
	res := rec.Result()
	res.Request = r
	return res, nil
}

func refusedConnection() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// html answers every request with one page.
func html(status int, text string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		rw.WriteHeader(status)
		_, _ = strings.NewReader(text).WriteTo(rw)
	})
}

func redirect(to string) http.Handler { return http.RedirectHandler(to, http.StatusFound) }

func consoleHost(code string) string {
	e, _ := signin.MustRegion(code).Endpoint()
	return e.ConsoleHost
}
