package onelogin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	sim "github.com/samlfailover/samlfailover/sandbox/onelogin"
)

// What cannot be moved is listed all the same; what is not AWS's is not, and
// not even read where the list tells.
func TestListShowsEveryAWSApp(t *testing.T) {
	t.Parallel()
	raw := func(id, method, connector int, configuration, parameters string) string {
		return fmt.Sprintf(`{"id":%d,"name":"app %d","visible":true,"auth_method":%d,"connector_id":%d,"configuration":%s,"parameters":%s}`, id, id, method, connector, configuration, parameters)
	}
	for name, r := range readings() {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, r)
				multi, err := w.org.AddAWSApp("multi role", sim.MultiRole, nil)
				if err != nil {
					t.Fatal(err)
				}
				account, err := w.org.AddAWSApp("multi account", sim.MultiAccount, map[string]any{"idp_list": "arn:aws:iam::123456789012:saml-provider/OneLogin"})
				if err != nil {
					t.Fatal(err)
				}
				for _, doc := range []string{
					raw(11, 2, sim.CustomSAML, `{"consumer_url":"https://US-WEST-2.signin.aws.amazon.com/saml/"}`, `{}`),
					raw(12, 2, sim.CustomSAML, `{"consumer_url":"https://evil.example/","audience":"urn:amazon:webservices"}`, `{}`),
					raw(13, 2, sim.CustomSAML, `{"consumer_url":"https://evil.example/","validator":"^https:\\/\\/signin\\.aws\\.amazon\\.com\\/saml$"}`, `{}`),
					raw(14, 2, sim.CustomSAML, `{"consumer_url":"https://proxy.example/"}`, `{"https://aws.amazon.com/SAML/Attributes/Role":{}}`),
					raw(15, 2, sim.CustomSAML, `{"consumer_url":"https://signin.c2shome.ic.gov/saml"}`, `{}`),
					raw(21, 2, sim.CustomSAML, `{"consumer_url":"https://slack.example/sso"}`, `{}`),
					raw(22, 2, 114099, `{"signature_algorithm":"SHA-256"}`, `{}`),
					raw(23, 8, 108419, `{"redirect_uri":"https://x.example"}`, `{}`),
					raw(24, 0, 14571, `{}`, `{}`),
				} {
					if err := w.org.AddRawApp([]byte(doc)); err != nil {
						t.Fatal(err)
					}
				}
				docs, err := w.tenant.List(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var ids []string
				for _, d := range docs {
					ids = append(ids, string(d.ID))
					if d.RequestID == "" || time.Since(d.ReadAt) > time.Hour {
						t.Errorf("%s: request id %q, read at %v", d.ID, d.RequestID, d.ReadAt)
					}
					if app := (onelogin.Codec{}).Describe(d); app.Movable != (d.ID == w.app) {
						t.Errorf("%s: movable %v, %v", d.ID, app.Movable, app.Findings)
					}
				}
				want := []string{string(w.app), multi, account, "11", "12", "13", "14", "15"}
				slices.Sort(ids)
				slices.Sort(want)
				if !slices.Equal(ids, want) {
					t.Errorf("listed %v, want %v", ids, want)
				}
				for _, id := range []string{"22", "23", "24"} {
					if w.count("GET", "/api/2/apps/"+id) > 0 {
						t.Errorf("app %s was read for nothing", id)
					}
				}
			})
		})
	}
}

// Pages are followed by cursor, by number where there is none, and come to an
// end whatever the vendor answers.
func TestListPages(t *testing.T) {
	t.Parallel()
	for name, r := range readings() {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, r)
				for i := range 230 {
					doc := fmt.Sprintf(`{"id":%d,"name":"x","auth_method":8,"connector_id":108419}`, 1000+i)
					if i == 225 {
						doc = fmt.Sprintf(`{"id":%d,"name":"last","auth_method":2,"connector_id":%d,"configuration":{}}`, 1000+i, sim.MultiRole)
					}
					if err := w.org.AddRawApp([]byte(doc)); err != nil {
						t.Fatal(err)
					}
				}
				docs, err := w.tenant.List(t.Context())
				if err != nil || len(docs) != 2 {
					t.Errorf("%d apps, %v", len(docs), err)
				}
			})
		})
	}
}

// pagesOf answers lists of apps from the test's own pages.
func pagesOf(t *testing.T, w *world, page func(query string) (ids []int, header, value string)) {
	w.Answer = func(r *http.Request) *http.Response {
		switch {
		case r.URL.Path == tokenPath:
			return nil
		case r.URL.Path == "/api/2/connectors":
			return reply(200, "[]")
		case r.URL.Path != "/api/2/apps":
			return reply(200, fmt.Sprintf(`{"id":%s,"auth_method":2,"parameters":{"https://aws.amazon.com/SAML/Attributes/Role":{}}}`, r.URL.Path[len("/api/2/apps/"):]))
		}
		ids, header, value := page(r.URL.RawQuery)
		var items []string
		for _, id := range ids {
			items = append(items, fmt.Sprintf(`{"id":%d,"auth_method":2,"parameters":{"https://aws.amazon.com/SAML/Attributes/Role":{}}}`, id))
		}
		resp := reply(200, "["+strings.Join(items, ",")+"]")
		if header != "" {
			resp.Header.Set(header, value)
		}
		return resp
	}
}

func TestOddPages(t *testing.T) {
	t.Parallel()
	full := make([]int, 100)
	for i := range full {
		full[i] = i + 1
	}
	tests := []struct {
		name string
		page func(query string) ([]int, string, string)
		want int
		last string // query of the last page asked for
	}{
		{"a cursor is passed on as it is", func(q string) ([]int, string, string) {
			if strings.Contains(q, "cursor") {
				return []int{2}, "", ""
			}
			return []int{1}, "After-Cursor", "a+b/c==&limit=1"
		}, 2, "cursor=a%2Bb%2Fc%3D%3D%26limit%3D1&limit=100"},
		{"the same page for ever", func(string) ([]int, string, string) { return full, "After-Cursor", "x" }, 100, "cursor=x&limit=100"},
		{"no cursor, full pages", func(q string) ([]int, string, string) {
			if strings.Contains(q, "page=2") {
				return []int{101}, "", ""
			}
			return full, "", ""
		}, 101, "limit=100&page=2"},
		{"no cursor, page is ignored", func(string) ([]int, string, string) { return full, "", "" }, 100, "limit=100&page=2"},
		{"no cursor, but a total", func(q string) ([]int, string, string) {
			if strings.Contains(q, "page=2") {
				return []int{2}, "Total-Pages", "2"
			}
			return []int{1}, "Total-Pages", "2"
		}, 2, "limit=100&page=2"},
		{"the total is reached", func(string) ([]int, string, string) { return full, "Total-Pages", "1" }, 100, "limit=100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, sim.Readings{})
				last := ""
				pagesOf(t, w, func(q string) ([]int, string, string) {
					last = q
					return tt.page(q)
				})
				docs, err := w.tenant.List(t.Context())
				if err != nil || len(docs) != tt.want || last != tt.last {
					t.Errorf("%d apps, last page %q, %v", len(docs), last, err)
				}
			})
		})
	}
	t.Run("a list without an end", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, sim.Readings{})
			pages := 0
			w.Answer = func(r *http.Request) *http.Response {
				if r.URL.Path == tokenPath {
					return nil
				}
				pages++
				resp := reply(200, fmt.Sprintf(`[{"id":%d,"name":"x"}]`, pages))
				resp.Header.Set("After-Cursor", fmt.Sprint(pages))
				return resp
			}
			if _, err := w.tenant.List(t.Context()); !finding.Is(err, finding.IdPAnswer) {
				t.Errorf("%v after %d pages", err, pages)
			}
		})
	})
}

// virtual runs a test in virtual time: calm-time traffic waits for its share.
func virtual(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, f)
}

// A faulty connector list is not taken for one that may not be seen.
func TestConnectorsFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sim.Readings{})
	w.Answer = func(r *http.Request) *http.Response {
		if r.URL.Path == "/api/2/connectors" {
			return reply(422, `{"message":"no","name":"UnprocessableEntityError","statusCode":422}`)
		}
		return nil
	}
	if _, err := w.tenant.List(t.Context()); !finding.Is(err, finding.IdPRejected) {
		t.Errorf("%v", err)
	}
}
