package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

const message = `{"version":1,"id":"a","event":"page","time":"x","topic":"t","severity":"error","title":"T","over":false}`

func send(r *Receiver, secret, body string, at time.Time) int {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v1\n%s\nPOST\n%s\n%s", stamp, Path, body)
	q := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body))
	q.Header.Set("Samlfailover-Timestamp", stamp)
	q.Header.Set("Samlfailover-Signature", "v1="+hex.EncodeToString(mac.Sum(nil)))
	w := httptest.NewRecorder()
	r.Sites()[0].Handler.ServeHTTP(w, q)
	return w.Code
}

func TestReceiver(t *testing.T) {
	t.Parallel()
	r := New("s")
	for _, c := range []struct {
		why, secret, body string
		at                time.Time
		want              int
	}{
		{"as signed", "s", message, time.Now(), 204},
		{"again", "s", message, time.Now(), 204},
		{"with another secret", "x", message, time.Now(), 401},
		{"too old", "s", message, time.Now().Add(-6 * time.Minute), 401},
		{"no JSON", "s", "x", time.Now(), 422},
		{"of another version", "s", strings.Replace(message, `"version":1`, `"version":2`, 1), time.Now(), 422},
	} {
		if got := send(r, c.secret, c.body, c.at); got != c.want {
			t.Errorf("%s: %d, want %d", c.why, got, c.want)
		}
	}
	if got := r.Messages(); len(got) != 2 || got[0].Again || !got[1].Again {
		t.Errorf("%+v", got)
	}
	r.FailNext(1)
	if got := send(r, "s", message, time.Now()); got != 503 {
		t.Errorf("told to fail: %d", got)
	}
}
