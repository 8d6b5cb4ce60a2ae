package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/problem"
)

// maxCredential bounds a bearer token, in bytes.
const maxCredential = 8 << 10

// identify finds out who asks, by a bearer token or by a client certificate. A
// token that does not count is not made up for by a certificate. An address with
// too many refusals has to wait before it is looked at again (spec 13.6).
func (g *Gate) identify(r *http.Request, p *passage) *problem.Problem {
	if wait, ok := g.fails.left(p.source); !ok {
		return tooMany("this address has shown too many credentials that do not count", wait)
	}
	caller, refused := g.credential(r)
	if refused == nil {
		p.caller = caller
		p.still = func() bool {
			_, ended := g.credential(r)
			return ended == nil || ended.Code() == problem.Unverifiable // an issuer that is away ends nothing
		}
		return nil
	}
	if _, more := g.fails.take(p.source); more {
		if _, still := g.fails.left(p.source); !still {
			g.o.Log.Warn("an address has shown too many credentials that do not count, and has to wait", "from", p.source.String(), "request", p.id)
		} else {
			g.o.Log.Info("a credential was refused", "from", p.source.String(), "request", p.id, "problem", string(refused.Code()))
		}
	}
	return refused
}

func (g *Gate) credential(r *http.Request) (people.Caller, *problem.Problem) {
	shown := r.Header.Values("Authorization")
	switch {
	case len(shown) > 1:
		return people.Caller{}, refusal(problem.BadCredential, "the request has more than one Authorization header", "send one")
	case len(shown) == 1:
		return g.bearer(r.Context(), shown[0])
	case r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		leaf := r.TLS.VerifiedChains[0][0]
		sum := sha256.Sum256(leaf.Raw)
		if time.Now().After(leaf.NotAfter) { // it has ended since the handshake
			return people.Caller{}, refusal(problem.BadCredential, "the client certificate has expired", "connect with a new one")
		}
		if c, ok := g.o.Callers.Certificate(hex.EncodeToString(sum[:]), leaf.Subject.String()); ok {
			return c, nil
		}
		return people.Caller{}, refusal(problem.BadCredential, "the client certificate is nobody's here", "have it added under people in the config")
	}
	return people.Caller{}, refusal(problem.NoCredential, "the request says nothing of who asks; this server answers nobody without, on loopback neither", "send Authorization: Bearer TOKEN with a token of yours")
}

// bearer looks a token up, or checks it where it is one of an OIDC issuer.
func (g *Gate) bearer(ctx context.Context, header string) (people.Caller, *problem.Problem) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxCredential || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return people.Caller{}, refusal(problem.BadCredential, "the Authorization header is not that of a bearer token", "send Authorization: Bearer TOKEN")
	}
	if c, ok := g.o.Callers.Token(token); ok {
		return c, nil
	}
	if strings.Count(token, ".") != 2 || len(g.o.Issuers) == 0 {
		return people.Caller{}, refusal(problem.BadCredential, "the token is nobody's here, or has expired", "check the token, or have a new one made: samlfailover token --help")
	}
	iss := g.issuer(token)
	if iss == nil {
		return people.Caller{}, refusal(problem.BadCredential, "the token is of an issuer that is not configured here", "use a token of an issuer under server.oidc, or a personal token")
	}
	id, err := iss.check(ctx, token)
	switch {
	case unreached(err):
		return people.Caller{}, refusal(problem.Unverifiable, "the token's issuer cannot be asked for its keys now", "use a personal token or a client certificate: they need nobody else")
	case err != nil:
		return people.Caller{}, refusal(problem.BadCredential, "the token is not one that counts here: "+reason(err), "get a new token from the issuer, for this audience")
	}
	c, ok := g.o.Callers.OIDC(iss.o.Issuer, id.Subject, id.Groups)
	if !ok {
		return people.Caller{}, refusal(problem.BadCredential, "the token is good, and its subject is nobody's here", "have it added under people in the config")
	}
	c.Grants = c.Grants.Limited(iss.o.Federations, iss.o.Highest)
	return c, nil
}

// issuer is the configured one that a token names, nil for none.
func (g *Gate) issuer(token string) *Issuer {
	name := claimedIssuer(token)
	for _, i := range g.o.Issuers {
		if i.o.Issuer == name && name != "" {
			return i
		}
	}
	return nil
}

func refusal(code problem.Code, detail, next string) *problem.Problem {
	return problem.New(code, http.StatusUnauthorized, detail, next).With("WWW-Authenticate", `Bearer realm="samlfailover"`)
}
