package pingone_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestConcurrentUse has meaning under the race detector.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, options())
	id := addApp(t, tn, "AWS")
	addAda(t, tn, id)
	doc := asJSON(stored(t, tn, id))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			token := writer(t, tn)
			for j := range 5 {
				call(tn, token, "PUT", appPath(id), doc)
				call(tn, token, "GET", apps(prod), "")
				call(tn, token, "POST", attributesOf(id), fmt.Sprintf(`{"name":"n%d-%d","value":"v"}`, i, j))
				start(t, tn, startPath("urn:AWS"))
				if err := tn.EditApp(id, func(doc map[string]any) { doc["n"] = j }); err != nil {
					t.Error(err)
				}
				addApp(t, tn, fmt.Sprintf("%d %d", i, j))
				tn.OnRead(nil)
				tn.SetRate(100_000)
			}
		})
	}
	wg.Wait()
	if got := len(mappingsOf(t, tn, id)); got != 23 {
		t.Errorf("%d mappings", got)
	}
}

// TestDecoys: they are listed, several protocols, and none leads to AWS by SAML.
func TestDecoys(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, options())
	if err := tn.AddDecoys(prod); err != nil {
		t.Fatal(err)
	}
	if tn.AddDecoys("none") == nil {
		t.Error("decoys for no environment")
	}
	list := string(call(tn, writer(t, tn), "GET", apps(prod), "").body)
	for _, p := range []string{"OPENID_CONNECT", "WS_FED", "EXTERNAL_LINK", `"SAML"`, tn.DefaultKey(prod)} {
		if !strings.Contains(list, p) {
			t.Errorf("no %s in %s", p, list)
		}
	}
	if id := addApp(t, tn, "AWS"); stored(t, tn, id)["futureProperty"] == nil {
		t.Error("no unknown property to lose")
	}
}

// TestExternalIDs: the client's ids come back, cleaned.
func TestExternalIDs(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, options())
	token := writer(t, tn)
	for sent, want := range map[string]string{"move-1/a@b=c#d+e.f_g`é": "move-1/a@b=c#d+e.f_g`é", "a b;c": "a_b_c", strings.Repeat("x", 101): strings.Repeat("x", 100)} {
		a := call(tn, token, "GET", apps(prod), "", "X-Ping-External-Transaction-ID", sent)
		if got := a.header.Get("X-Ping-External-Transaction-ID"); got != want || a.header.Get("X-Ping-External-Session-ID") == "" {
			t.Errorf("%q gives %q", sent, got)
		}
	}
}
