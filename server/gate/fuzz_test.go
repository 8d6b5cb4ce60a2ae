package gate

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/server/problem"
)

// Whatever comes, it is either refused as a problem or carries the one right
// credential, a host of the list and a body within its limits.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/api/v1/status", "failover.example", "Bearer "+adasToken, "", "", "")
	f.Add("POST", "/api/v1/moves", "evil.example", "Bearer a.b.c", "application/json", "https://evil.example", `{"to":"us-west-2"}`)
	f.Add("POST", "/x", "failover.example:1", "bearer "+adasToken, "application/json;charset=x", "null", strings.Repeat("[", 50))
	f.Add("DELETE", "/healthz", "[::1]", "Bearer eyJhbGciOiJub25lIn0.e30.", "text/plain", "", "\x00")
	h, log := stand(f, func(o *Options) { o.Limits = Limits{Body: 256, Rate: 1 << 20, FailedLogins: 1 << 20} })
	f.Fuzz(func(t *testing.T, method, path, host, credential, kind, origin, body string) {
		r, err := http.NewRequest("GET", "http://failover.example/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Method, r.URL.Path, r.Host, r.RemoteAddr = method, path, host, "192.0.2.1:1"
		for name, value := range map[string]string{"Authorization": credential, "Content-Type": kind, "Origin": origin, RequestHeader: path} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		lines := strings.Count(log.text(), "\n")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := strings.Count(log.text(), "\n") - lines; got > 2 {
			t.Errorf("one request wrote %d lines of log", got)
		}
		log.mu.Lock()
		log.b.Reset()
		log.mu.Unlock()
		res := w.Result()
		raw, _ := io.ReadAll(res.Body)
		if res.StatusCode == http.StatusOK {
			scheme, tok, _ := strings.Cut(credential, " ")
			right := strings.EqualFold(scheme, "Bearer") && tok == adasToken
			if path != "/healthz" && !right || len(body) > 256 && path != "/healthz" && path != MetricsPath || hostName(host) != "failover.example" && hostName(host) != "127.0.0.1" {
				t.Errorf("let in: %q %q %q %q", method, path, host, credential)
			}
			return
		}
		var p problem.Problem
		if res.Header.Get("Content-Type") != problem.ContentType || json.Unmarshal(raw, &p) != nil || p.Status != res.StatusCode || p.Next == "" {
			t.Errorf("refused with %d %s", res.StatusCode, raw)
		}
	})
}

// What tooDeep lets through, the decoder reads without going deeper.
func FuzzDepth(f *testing.F) {
	f.Add(`{"a":[[["\""]]]}`)
	f.Add(`"[[[["`)
	f.Add(strings.Repeat("[", 40))
	f.Fuzz(func(t *testing.T, text string) {
		var v any
		if tooDeep([]byte(text), 8) || json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		if d := depth(v); d > 8 {
			t.Errorf("%q is %d deep", text, d)
		}
	})
}

func depth(v any) int {
	most := 0
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			most = max(most, depth(x))
		}
	case []any:
		for _, x := range v {
			most = max(most, depth(x))
		}
	default:
		return 0
	}
	return most + 1
}

// No text makes an issuer's check panic or an empty issuer count.
func FuzzToken(f *testing.F) {
	f.Add("a.b.c")
	f.Add(raw(`{"alg":"none"}`, claims(), ""))
	f.Add(raw(`{"alg":"RS256","kid":"one"}`, claims(), "sig"))
	h, _ := withIssuer(f, &idp{keys: nil, down: true}, nil)
	f.Fuzz(func(t *testing.T, tok string) {
		r := httptest.NewRequest("GET", "http://failover.example/x", nil)
		r.Header.Set("Authorization", "Bearer "+tok)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if tok != adasToken && w.Code == http.StatusOK {
			t.Errorf("let in: %q", tok)
		}
	})
}
