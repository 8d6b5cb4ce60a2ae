package onelogin

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// Page sizes. Both are ours; the default is small, so that a client that
// forgets paging is found out.
const (
	defaultLimit = 20
	maxLimit     = 1000
)

func (t *Tenant) serveApps(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		t.fail(w, wrongMethod())
		return
	}
	q := r.URL.Query()
	if refused := checkNumbers(q, "connector_id", "auth_method"); refused != nil {
		t.fail(w, refused)
		return
	}
	var all []object
	t.mu.Lock()
	for _, a := range t.apps {
		if doc := a.seen(time.Now()); matches(q, doc) {
			all = append(all, t.listed(doc))
		}
	}
	t.mu.Unlock()
	t.list(w, q, all)
}

// listed is an app in a list.
func (t *Tenant) listed(doc object) object {
	if t.o.Readings.ListFull {
		return doc
	}
	few := object{}
	for k, v := range doc {
		if k != "configuration" && k != "parameters" && k != "sso" && k != "enforcement_point" {
			few[k] = v
		}
	}
	return few
}

// serveConnectors lists the catalogue.
func (t *Tenant) serveConnectors(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		t.fail(w, wrongMethod())
		return
	}
	q := r.URL.Query()
	if refused := checkNumbers(q, "auth_method"); refused != nil {
		t.fail(w, refused)
		return
	}
	// Of connectors also a part of the name finds.
	if name := q.Get("name"); name != "" && !strings.Contains(name, "*") {
		q.Set("name", "*"+name+"*")
	}
	var all []object
	for _, c := range Connectors() {
		if doc := c.show(); matches(q, doc) {
			all = append(all, doc)
		}
	}
	t.list(w, q, all)
}

func checkNumbers(q url.Values, keys ...string) *apiError {
	for _, k := range keys {
		if v := q.Get(k); v != "" {
			if _, err := strconv.Atoi(v); err != nil {
				return unprocessable(`invalid value in "` + k + `"`)
			}
		}
	}
	return nil
}

// matches holds the filters connector_id, auth_method and name, which takes *.
func matches(q url.Values, doc object) bool {
	for _, k := range []string{"connector_id", "auth_method"} {
		n, ok := whole(doc[k])
		if want := q.Get(k); want != "" && (!ok || strconv.FormatInt(n, 10) != want) {
			return false
		}
	}
	name := q.Get("name")
	return name == "" || wildcard(strings.ToLower(name), strings.ToLower(jsontree.Text(doc, "name")))
}

// wildcard knows * only.
func wildcard(pattern, s string) bool {
	literal := strings.NewReplacer(`\`, `\\`, "?", `\?`, "[", `\[`, "/", "\x00").Replace(pattern)
	ok, err := path.Match(literal, strings.ReplaceAll(s, "/", "\x00"))
	return err == nil && ok
}

// list writes one page: a bare array, with its cursors in headers.
func (t *Tenant) list(w http.ResponseWriter, q url.Values, all []object) {
	limit, refused := positive(q, "limit", defaultLimit, maxLimit)
	page, refusedPage := positive(q, "page", 1, 1<<20)
	if refused != nil || refusedPage != nil {
		t.fail(w, unprocessable(`invalid value in "limit" or "page"`))
		return
	}
	start := (page - 1) * limit
	if cursor := q.Get("cursor"); cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		n, numErr := strconv.Atoi(string(raw))
		if err != nil || numErr != nil || n < 0 {
			t.fail(w, unprocessable(`invalid value in "cursor"`))
			return
		}
		start = n
	}
	start = min(start, len(all))
	end := min(start+limit, len(all))
	h := w.Header()
	if end < len(all) || t.o.Readings.CursorAtEnd && end > start {
		h.Set("After-Cursor", cursorAt(end))
	}
	if start > 0 {
		h.Set("Before-Cursor", cursorAt(max(0, start-limit)))
	}
	h.Set("Total-Pages", strconv.Itoa((len(all)+limit-1)/limit))
	h.Set("Current-Page", strconv.Itoa(start/limit+1))
	out := make([]any, 0, end-start)
	for _, doc := range all[start:end] {
		out = append(out, trim(doc, q.Get("fields")))
	}
	writeJSON(w, http.StatusOK, encode(out))
}

func cursorAt(n int) string { return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(n))) }

func positive(q url.Values, key string, otherwise, most int) (int, *apiError) {
	s := q.Get(key)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, unprocessable(`invalid value in "` + key + `"`)
	}
	return n, nil
}

// trim keeps the named fields only; no names keep all.
func trim(doc object, fields string) object {
	if fields == "" {
		return doc
	}
	few := object{}
	for _, k := range strings.Split(fields, ",") {
		if v, ok := doc[k]; ok {
			few[k] = v
		}
	}
	return few
}
