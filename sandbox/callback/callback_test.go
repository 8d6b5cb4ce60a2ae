package callback

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// spec 15.5: only loopback callback URLs that were registered are called.
func TestRegister(t *testing.T) {
	t.Parallel()
	for url, good := range map[string]bool{
		"http://127.0.0.1:8080/hooks/a": true, "http://[::1]:8080/": true,
		"http://127.0.0.1/": false, "https://127.0.0.1:8080/": false, "http://10.0.0.1:80/": false, "http://169.254.169.254:80/": false, "http://example.com:80/": false,
		"http://localhost:80/": false, "http://a@127.0.0.1:80/": false, "http://127.0.0.1:80/?x=1": false, "file:///etc/passwd": false, "": false,
	} {
		if err := New().Register(url); (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestPost(t *testing.T) {
	t.Parallel()
	calls := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		http.Redirect(w, r, "http://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	b := New()
	if _, _, err := b.Post(t.Context(), s.URL+"/a", nil, nil); err == nil || calls > 0 {
		t.Errorf("a URL that nobody has registered was called: %v", err)
	}
	if err := b.Register(s.URL + "/a"); err != nil {
		t.Fatal(err)
	}
	if status, _, err := b.Post(t.Context(), s.URL+"/a", http.Header{"X-Test": {"1"}}, []byte("{}")); err != nil || status != http.StatusTemporaryRedirect || calls != 1 {
		t.Errorf("status %d, %v, %d calls", status, err, calls)
	}
}
