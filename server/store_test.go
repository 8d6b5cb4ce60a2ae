package server

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/samlfailover/samlfailover/control"
)

// The store's routes hand the request and its actor through, and the answer
// back.
func TestStoreRoutes(t *testing.T) {
	t.Parallel()
	h := newServer(t, cases{}).Handler()
	var report control.StoreReport
	res := ask(h, http.MethodGet, "/v1/store", "", nil)
	if err := json.NewDecoder(res.Body).Decode(&report); err != nil || res.StatusCode != http.StatusOK || report.Standing.Leader != "ctl-b" || report.Standing.Leads {
		t.Errorf("the report: %d %+v, %v", res.StatusCode, report, err)
	}
	var m control.StoreManifest
	res = ask(h, http.MethodPost, "/v1/store/backup", `{"file":"/b/one.db"}`, nil)
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil || res.StatusCode != http.StatusOK || m.Name != "/b/one.db" || m.Store != "unknown via socket" {
		t.Errorf("a backup: %d %+v, %v", res.StatusCode, m, err)
	}
	if res = ask(h, http.MethodPost, "/v1/store/backup", `{}`, nil); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a backup to nowhere: %d", res.StatusCode)
	}
}
