package alertmanager

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/callback"
)

func TestNotifications(t *testing.T) {
	t.Parallel()
	var got []map[string]any
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var one map[string]any
		if err := json.NewDecoder(r.Body).Decode(&one); err != nil || r.Header.Get("Authorization") != "Bearer tok" {
			t.Errorf("%v %q", err, r.Header.Get("Authorization"))
		}
		got = append(got, one)
	}))
	defer s.Close()
	a := New(callback.New(), "tok")
	if _, _, err := a.Resolve(t.Context(), "SignIn"); err == nil {
		t.Error("an alert that nobody has seen was resolved")
	}
	if err := a.Configure("https://example.com/"); err == nil {
		t.Error("configured for a host that is not loopback")
	}
	if err := a.Configure(s.URL + "/hooks/am"); err != nil {
		t.Fatal(err)
	}
	for _, do := range []func() (int, string, error){
		func() (int, string, error) { return a.Fire(t.Context(), "SignIn") },
		func() (int, string, error) { return a.Fire(t.Context(), "SignIn") },
		func() (int, string, error) { return a.Resolve(t.Context(), "SignIn") },
	} {
		if status, _, err := do(); err != nil || status != http.StatusOK {
			t.Errorf("%d, %v", status, err)
		}
	}
	if len(got) != 3 || got[0]["version"] != "4" || got[0]["status"] != "firing" || got[2]["status"] != "resolved" {
		t.Errorf("%v", got)
	}
}
