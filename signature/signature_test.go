package signature

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/secret"
)

const window = 5 * time.Minute

// spec 13.1: the signature covers a timestamp and holds for five minutes.
func TestCheck(t *testing.T) {
	key := secret.New(strings.Repeat("k", 32))
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	body := []byte(`{"reason":"x"}`)
	for _, c := range []struct {
		why    string
		change func(h http.Header, method, path *string, body *[]byte)
		at     time.Duration
		want   error
	}{
		{"as signed", nil, 0, nil},
		{"at the end of the window", nil, window, nil},
		{"a moment too old", nil, window + time.Second, ErrOld},
		{"from the future", nil, -window - time.Second, ErrOld},
		{"another body", func(_ http.Header, _, _ *string, b *[]byte) { *b = []byte(`{"reason":"y"}`) }, 0, ErrWrong},
		{"another path", func(_ http.Header, _, p *string, _ *[]byte) { *p = "/hooks/b" }, 0, ErrWrong},
		{"another method", func(_ http.Header, m, _ *string, _ *[]byte) { *m = "PUT" }, 0, ErrWrong},
		{"a newer time under an old signature", func(h http.Header, _, _ *string, _ *[]byte) { h.Set(TimestampHeader, "1796126460") }, 0, ErrWrong},
		{"no time", func(h http.Header, _, _ *string, _ *[]byte) { h.Del(TimestampHeader) }, 0, ErrMissing},
		{"no signature", func(h http.Header, _, _ *string, _ *[]byte) { h.Del(Header) }, 0, ErrMissing},
		{"two signatures, of which one may be right", func(h http.Header, _, _ *string, _ *[]byte) { h.Add(Header, h.Get(Header)) }, 0, ErrMissing},
		{"a time with a plus", func(h http.Header, _, _ *string, _ *[]byte) { h.Set(TimestampHeader, "+"+h.Get(TimestampHeader)) }, 0, ErrMissing},
		{"capital letters: a second spelling would be a second id", func(h http.Header, _, _ *string, _ *[]byte) { h.Set(Header, strings.ToUpper(h.Get(Header))) }, 0, ErrWrong},
		{"another version", func(h http.Header, _, _ *string, _ *[]byte) {
			h.Set(Header, strings.Replace(h.Get(Header), "v1=", "v2=", 1))
		}, 0, ErrWrong},
		{"empty signature", func(h http.Header, _, _ *string, _ *[]byte) { h.Set(Header, "v1=") }, 0, ErrWrong},
	} {
		h, method, path, sent := http.Header{}, "POST", "/hooks/a", body
		Sign(h, key, now, method, path, sent)
		if c.change != nil {
			c.change(h, &method, &path, &sent)
		}
		id, err := Check(h, key, now.Add(c.at), window, method, path, sent)
		if !errors.Is(err, c.want) || (err == nil) != (id != "") {
			t.Errorf("%s: id %q, %v, want %v", c.why, id, err, c.want)
		}
	}
	h := http.Header{}
	Sign(h, key, now, "POST", "/hooks/a", body)
	if _, err := Check(h, secret.New(strings.Repeat("j", 32)), now, window, "POST", "/hooks/a", body); !errors.Is(err, ErrWrong) {
		t.Errorf("under another secret: %v", err)
	}
}

// The saboteur: a check that looks at the signature alone takes an old request.
func TestWindowIsNeeded(t *testing.T) {
	key := secret.New(strings.Repeat("k", 32))
	h, then := http.Header{}, time.Now().Add(-time.Hour)
	Sign(h, key, then, "POST", "/", nil)
	if _, err := Check(h, key, time.Now(), 2*time.Hour, "POST", "/", nil); err != nil {
		t.Fatal(err) // the signature itself is right
	}
	if _, err := Check(h, key, time.Now(), window, "POST", "/", nil); !errors.Is(err, ErrOld) {
		t.Errorf("%v", err)
	}
}

func TestStrong(t *testing.T) {
	if Strong(secret.New(strings.Repeat("k", 31))) || !Strong(secret.New(strings.Repeat("k", 32))) {
		t.Error("a secret of 32 bytes is the shortest")
	}
}
