// Package sigv4 is for checking Signature Version 4 on requests to the
// simulated IAM and STS (IAM User Guide, "AWS Signature Version 4 for API
// requests"). Only the Authorization header form is known; a presigned URL is
// refused.
//
// It must never log or return a secret, and never decide what a caller may do.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/signin"
)

// maxSkew is how far the signer's clock may be off.
const maxSkew = 15 * time.Minute

const (
	algorithm = "AWS4-HMAC-SHA256"
	dateForm  = "20060102T150405Z"
)

// Scope is what the signature must be made for.
type Scope struct {
	Partition       signin.Partition
	Region, Service string
}

// Keys finds credentials by access key id.
type Keys interface {
	Key(p signin.Partition, accessKeyID string) (world.Credentials, world.Identity, bool)
}

// Verify returns who signed the request.
func Verify(q query.Request, s Scope, keys Keys, now time.Time) (world.Identity, *query.Error) {
	auth := q.HTTP.Header.Get("Authorization")
	if auth == "" {
		return world.Identity{}, query.Errorf(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	p, bad := parse(auth)
	if bad != nil {
		return world.Identity{}, bad
	}
	if bad := p.check(q.HTTP, s, now); bad != nil {
		return world.Identity{}, bad
	}
	cred, who, ok := keys.Key(s.Partition, p.keyID)
	token := q.HTTP.Header.Get("X-Amz-Security-Token")
	if !ok || token != cred.Token {
		return world.Identity{}, invalidToken()
	}
	if !hmac.Equal([]byte(p.signature), []byte(p.sign(q, cred.SecretKey))) {
		return world.Identity{}, refuse("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	if !cred.Expires.IsZero() && !now.Before(cred.Expires) {
		return world.Identity{}, query.Errorf(http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired")
	}
	if r, err := signin.ParseRegion(s.Region); err == nil && who.DefaultRegionsOnly {
		if e, _ := r.Endpoint(); e.OptIn {
			return world.Identity{}, invalidToken()
		}
	}
	return who, nil
}

func invalidToken() *query.Error {
	return query.Errorf(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
}

func refuse(format string, args ...any) *query.Error {
	return query.Errorf(http.StatusForbidden, "SignatureDoesNotMatch", format, args...)
}

func incomplete(message string) *query.Error {
	return query.Errorf(http.StatusBadRequest, "IncompleteSignature", "%s", message)
}

// presented is an Authorization header taken apart.
type presented struct {
	keyID, date, region, service string
	headers                      []string
	signature                    string
	at                           time.Time
}

func parse(auth string) (presented, *query.Error) {
	var p presented
	rest, ok := strings.CutPrefix(auth, algorithm+" ")
	if !ok {
		return p, incomplete("Unsupported authorization algorithm; the sandbox knows " + algorithm + ".")
	}
	var scope string
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			scope = value
		case "SignedHeaders":
			p.headers = strings.Split(value, ";")
		case "Signature":
			p.signature = value
		}
	}
	parts := strings.Split(scope, "/")
	switch {
	case scope == "":
		return p, incomplete("Authorization header requires 'Credential' parameter.")
	case len(p.headers) == 0:
		return p, incomplete("Authorization header requires 'SignedHeaders' parameter.")
	case p.signature == "":
		return p, incomplete("Authorization header requires 'Signature' parameter.")
	case len(parts) != 5 || parts[4] != "aws4_request":
		return p, refuse("Credential should have five parts and end in 'aws4_request'.")
	}
	p.keyID, p.date, p.region, p.service = parts[0], parts[1], parts[2], parts[3]
	return p, nil
}

// check holds scope, clock and the list of signed headers against the request.
func (p *presented) check(r *http.Request, s Scope, now time.Time) *query.Error {
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(dateForm, stamp)
	if err != nil {
		return incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	p.at = at
	signed := func(h string) bool { return slices.Contains(p.headers, h) }
	switch {
	case p.region != s.Region:
		return refuse("Credential should be scoped to a valid region, not '%s'. ", p.region)
	case p.service != s.Service:
		return refuse("Credential should be scoped to correct service: '%s'. ", s.Service)
	case p.date != stamp[:8]:
		return refuse("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s'.", p.date, stamp[:8])
	case at.Before(now.Add(-maxSkew)):
		return refuse("Signature expired: %s is now earlier than %s (%s - 15 min.)", stamp, now.Add(-maxSkew).UTC().Format(dateForm), now.UTC().Format(dateForm))
	case at.After(now.Add(maxSkew)):
		return refuse("Signature not yet current: %s is still later than %s (%s + 15 min.)", stamp, now.Add(maxSkew).UTC().Format(dateForm), now.UTC().Format(dateForm))
	case !signed("host") || !signed("x-amz-date"):
		return refuse("'Host' and 'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.")
	case r.Header.Get("X-Amz-Security-Token") != "" && !signed("x-amz-security-token"):
		return refuse("'X-Amz-Security-Token' must be a 'SignedHeader' in the AWS Authorization.")
	case !slices.IsSorted(p.headers):
		return refuse("The SignedHeaders are not in order.")
	}
	return nil
}

// sign computes the signature that the owner of secret would have made.
func (p *presented) sign(q query.Request, secret string) string {
	scope := strings.Join([]string{p.date, p.region, p.service, "aws4_request"}, "/")
	text := strings.Join([]string{algorithm, p.at.Format(dateForm), scope, hash(p.canonical(q))}, "\n")
	key := []byte("AWS4" + secret)
	for _, step := range []string{p.date, p.region, p.service, "aws4_request"} {
		key = mac(key, step)
	}
	return hex.EncodeToString(mac(key, text))
}

// canonical builds the canonical request over what was received; the payload
// hash is always that of the body, whatever a header says.
func (p *presented) canonical(q query.Request) string {
	r := q.HTTP
	var b strings.Builder
	b.WriteString(r.Method + "\n" + canonicalPath(r.URL) + "\n" + canonicalQuery(r.URL.RawQuery) + "\n")
	for _, h := range p.headers {
		b.WriteString(h + ":" + headerValue(q, h) + "\n")
	}
	b.WriteString("\n" + strings.Join(p.headers, ";") + "\n" + hash(string(q.Body)))
	return b.String()
}

func headerValue(q query.Request, name string) string {
	switch name {
	case "host":
		return query.HostPort(q.HTTP)
	case "content-length":
		return strconv.Itoa(len(q.Body))
	}
	values := slices.Clone(q.HTTP.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

// canonicalPath escapes each part of the path as it was sent once more.
func canonicalPath(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		return "/"
	}
	parts := strings.Split(path, "/")
	for i, s := range parts {
		parts[i] = Escape(s)
	}
	return strings.Join(parts, "/")
}

func canonicalQuery(raw string) string {
	values, _ := url.ParseQuery(raw)
	var pairs []string
	for k, list := range values {
		for _, v := range list {
			pairs = append(pairs, Escape(k)+"="+Escape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// Escape percent-encodes everything but RFC 3986's unreserved characters.
func Escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
