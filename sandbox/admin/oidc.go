package admin

import (
	"context"
	"net/http"

	"github.com/samlfailover/samlfailover/sandbox/oidc"
)

// The paths of the verbs of the OpenID Connect issuer.
const (
	pathTokens = "/sandbox/oidc/tokens" //nolint:gosec // a path; POST oidc.Order -> OIDCToken
	pathKeys   = "/sandbox/oidc/keys"   // POST OIDCKeys -> OIDCKeys
)

// OIDCToken is a token that was ordered.
type OIDCToken struct {
	Token string `json:"token"`
}

// OIDCKeys asks for another key (rotate), or for the former keys to be published
// no more (retire), or both in this order.
type OIDCKeys struct {
	Rotate bool `json:"rotate,omitempty"`
	Retire bool `json:"retire,omitempty"`
}

func (s *server) mint(w http.ResponseWriter, r *http.Request) {
	var in oidc.Order
	if !read(w, r, &in) {
		return
	}
	token, err := s.world.Issuer().Mint(in)
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	answer(w, http.StatusOK, OIDCToken{token})
}

func (s *server) oidcKeys(w http.ResponseWriter, r *http.Request) {
	var in OIDCKeys
	if !read(w, r, &in) {
		return
	}
	if in.Rotate {
		if err := s.world.Issuer().Rotate(); err != nil {
			refuse(w, http.StatusInternalServerError, "%v", err)
			return
		}
	}
	if in.Retire {
		s.world.Issuer().Retire()
	}
	answer(w, http.StatusOK, in)
}

// Token has the world's OpenID Connect issuer make a token.
func (c *Client) Token(ctx context.Context, o oidc.Order) (string, error) {
	var out OIDCToken
	err := c.call(ctx, http.MethodPost, pathTokens, o, &out)
	return out.Token, err
}

// Keys changes the issuer's keys.
func (c *Client) Keys(ctx context.Context, k OIDCKeys) error {
	return c.call(ctx, http.MethodPost, pathKeys, k, &k)
}
