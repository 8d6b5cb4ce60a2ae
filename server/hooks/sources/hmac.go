package sources

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/signature"
)

// hmacBody is what a signed request may hold; it may be empty altogether.
type hmacBody struct {
	Reason string `json:"reason"`
	To     string `json:"to"`
}

// signed reads a request that was signed as package signature says.
func (s Source) signed(r Request, now time.Time) (Ask, error) {
	id, err := "", signature.ErrWrong
	for _, key := range s.Secrets {
		if id, err = signature.Check(r.Header, key, now, HMACWindow, r.Method, r.Path, r.Body); !errors.Is(err, signature.ErrWrong) {
			break
		}
	}
	switch {
	case errors.Is(err, signature.ErrOld):
		return Ask{}, refuse(tooOld, http.StatusUnauthorized, "the request was signed more than 5 minutes ago, or in the future", "sign it anew, and see that both clocks are right")
	case err != nil:
		return Ask{}, refuse(badCredential, http.StatusUnauthorized, err.Error(), "sign version, time, method, path and body with the hook's secret, as the documentation of hooks shows")
	}
	var b hmacBody
	if len(r.Body) > 0 {
		if err := decode(r.Body, &b, true); err != nil {
			return Ask{}, err
		}
	}
	if b.To != "" && !slices.Contains(s.MayName, b.To) {
		next := "leave to out: the rules choose the Region"
		if len(s.MayName) > 0 {
			next = "name one of " + strings.Join(s.MayName, ", ") + ", or leave it out"
		}
		return Ask{}, refuse("invalid", http.StatusUnprocessableEntity, "this hook may not ask for the Region "+short(b.To, 40), next)
	}
	return Ask{ID: id, Keep: keepHMAC, Reason: short(b.Reason, 300), To: b.To}, nil
}
