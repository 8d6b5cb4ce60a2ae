package okta

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// Page sizes of GET /api/v1/apps. The maximum is Okta's; the default is small,
// so that a client that forgets paging is found out.
const (
	defaultLimit = 20
	maxLimit     = 200
)

// listQuery is a parsed GET /api/v1/apps.
type listQuery struct {
	limit                 int
	after, prefix, filter string
	filterPath            []string
	filterValue           string
	optimised             bool
	sees                  func(id string) bool // the credential's resource set
}

func (o *Org) list(w http.ResponseWriter, r *http.Request) {
	q, refused := parseList(r.URL.Query())
	if refused != nil {
		refused.write(w)
		return
	}
	if may, ok := r.Context().Value(accessKey{}).(access); ok {
		q.sees = may.sees
	}
	page, next := o.page(q)
	w.Header().Add("Link", o.link(q, q.after, "self"))
	if next != "" {
		w.Header().Add("Link", o.link(q, next, "next"))
	}
	body := []byte{'['}
	for i, a := range page {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, q.show(a)...)
	}
	writeJSON(w, http.StatusOK, append(body, ']'))
}

// filterForm is the only form of filter that /apps knows.
func filterForm() *regexp.Regexp {
	return regexp.MustCompile(`^\s*(id|status|name|credentials\.signing\.kid|settings\.slo\.enabled)\s+eq\s+(?:"((?:[^"\\]|\\.)*)"|(true|false))\s*$`)
}

func parseList(v url.Values) (listQuery, *apiError) {
	q := listQuery{limit: defaultLimit, after: v.Get("after"), prefix: v.Get("q"), filter: v.Get("filter"),
		optimised: v.Get("useOptimization") == "true"}
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxLimit {
			return q, invalid("limit", fmt.Sprintf("limit: Must be between 1 and %d", maxLimit))
		}
		q.limit = n
	}
	if q.filter == "" {
		return q, nil
	}
	m := filterForm().FindStringSubmatch(q.filter)
	if m == nil {
		return q, badSearch("filter: Unsupported expression")
	}
	q.filterPath, q.filterValue = strings.Split(m[1], "."), strings.ReplaceAll(m[2], `\"`, `"`)+m[3]
	if m[1] == "settings.slo.enabled" {
		q.filterPath = []string{"settings", "signOn", "slo", "enabled"}
	}
	return q, nil
}

func (q listQuery) matches(doc object) bool {
	if q.filterPath != nil {
		v, _ := jsontree.Get(doc, q.filterPath...)
		if s, isText := v.(string); isText && s != q.filterValue || !isText && fmt.Sprint(v) != q.filterValue {
			return false
		}
	}
	p := strings.ToLower(q.prefix)
	return strings.HasPrefix(strings.ToLower(jsontree.Text(doc, "name")), p) || strings.HasPrefix(strings.ToLower(jsontree.Text(doc, "label")), p)
}

// page returns the apps of one page and the cursor of the next, "" at the end.
// Cursors name the last app of a page, so that pages stay whole while apps are
// added.
func (o *Org) page(q listQuery) ([]app, string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	start := 0
	if last, err := base64.RawURLEncoding.DecodeString(q.after); err == nil && q.after != "" {
		start = 1 + slices.IndexFunc(o.apps, func(a *app) bool { return a.id == string(last) })
	}
	var out []app
	for _, a := range o.apps[start:] {
		if !q.matches(a.doc) || q.sees != nil && !q.sees(a.id) {
			continue
		}
		if len(out) == q.limit {
			return out, base64.RawURLEncoding.EncodeToString([]byte(out[len(out)-1].id))
		}
		out = append(out, *a)
	}
	return out, ""
}

// show is an app in a list; useOptimization leaves most of it out.
func (q listQuery) show(a app) []byte {
	if !q.optimised {
		return a.raw
	}
	few := object{}
	for _, k := range strings.Fields("id orn name label status lastUpdated created signOnMode _links") {
		if v, ok := a.doc[k]; ok {
			few[k] = v
		}
	}
	return keyOrder().Encode(few)
}

// link is one Link header. Okta puts the parameters in an order of its own.
func (o *Org) link(q listQuery, after, rel string) string {
	var params []string
	add := func(k, v string) {
		if v != "" {
			params = append(params, k+"="+url.QueryEscape(v))
		}
	}
	add("after", after)
	add("limit", strconv.Itoa(q.limit))
	add("q", q.prefix)
	add("filter", q.filter)
	if q.optimised {
		add("useOptimization", "true")
	}
	return "<https://" + o.o.Host + "/api/v1/apps?" + strings.Join(params, "&") + `>; rel="` + rel + `"`
}
