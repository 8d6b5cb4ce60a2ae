package onelogin_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/onelogin"
)

// TestConcurrentUse has meaning under the race detector.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, onelogin.Readings{})
	id := addApp(t, tn, "AWS")
	addAda(t, tn, id)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 5 {
				put(t, tn, id, fmt.Sprintf(`{"configuration":{"consumer_url":%q},"parameters":{"p%d-%d":{}}}`, east, i, j))
				call(tn, tokenOf(t, tn, "reader"), "GET", "/api/2/apps", "")
				open(t, tn, "/launch/"+id)
				if err := tn.EditApp(id, func(doc map[string]any) { doc["n"] = j }); err != nil {
					t.Error(err)
				}
				addApp(t, tn, fmt.Sprintf("%d %d", i, j))
				tn.SetRate(100_000)
				tn.OnRead(nil)
			}
		})
	}
	wg.Wait()
	parameters, _ := stored(t, tn, id)["parameters"].(map[string]any)
	ids := map[string]bool{}
	for _, p := range parameters {
		ids[asJSON(p.(map[string]any)["id"])] = true
	}
	if len(parameters) != 23 || len(ids) != 23 {
		t.Errorf("%d parameters with %d ids", len(parameters), len(ids))
	}
}

// TestDecoys: a search for AWS finds some of them.
func TestDecoys(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, onelogin.Readings{})
	if err := tn.AddDecoys(); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{"": 5, "?name=*aws*": 2, "?name=*amazon*": 2, "?auth_method=2": 3} {
		var list []json.RawMessage
		a := call(tn, tokenOf(t, tn, "reader"), "GET", "/api/2/apps"+query, "")
		if err := json.Unmarshal(a.body, &list); err != nil || len(list) != want {
			t.Errorf("%s: %d %s", query, len(list), a.body)
		}
	}
}
