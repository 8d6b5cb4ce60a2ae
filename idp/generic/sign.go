package generic

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signature"
)

// sign puts time and signature into the header of one attempt; see package
// signature.
func sign(h http.Header, key secret.Value, now time.Time, method, address string, body []byte) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("sign the call: %w", err)
	}
	signature.Sign(h, key, now, method, u.EscapedPath(), body)
	return nil
}
