package idptest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/secret/secrettest"
)

// lines is what an adapter has logged. Safe for concurrent use.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// secrets are the credentials that have crossed the wire so far, by what they
// are: those that the adapter sent, and the tokens that it was given.
func (w *Wire) secrets() map[string]string {
	out := map[string]string{}
	seen := map[string]bool{"": true}
	add := func(kind, value string) {
		if value = lastPart(value); !seen[value] {
			seen[value] = true
			out[fmt.Sprintf("%s %d", kind, len(out)+1)] = value
		}
	}
	for _, c := range w.Calls() {
		scheme, value, _ := strings.Cut(c.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Basic") {
			pair, _ := base64.StdEncoding.DecodeString(value)
			_, pass, _ := strings.Cut(string(pair), ":")
			value, _ = url.QueryUnescape(pass)
		}
		form, _ := url.ParseQuery(string(c.Body))
		for kind, value := range map[string]string{"the credential of a call": value, "a client secret": form.Get("client_secret"),
			"the signature of an assertion": form.Get("client_assertion"), "the signature of a proof": c.Header.Get("Dpop"),
			"the signature of a call": c.Header.Get("Samlfailover-Signature")} {
			add(kind, value)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.exchanges {
		var given struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		_ = json.Unmarshal(e.answer, &given)
		add("an access token", given.Access)
		add("a refresh token", given.Refresh)
	}
	return out
}

// lastPart is the signature of a JSON Web Token: what stands before it is
// known to many. Any other text is returned whole.
func lastPart(token string) string {
	if strings.Count(token, ".") != 2 {
		return token
	}
	return token[strings.LastIndex(token, ".")+1:]
}

// said is everything that a step leaves behind but the log.
func said(out *bytes.Buffer, r idp.StepResult, err error) {
	fmt.Fprintf(out, "%v\n%+v\n%#v\n", err, err, err)
	if f, ok := finding.From(err); ok {
		_ = json.NewEncoder(out).Encode(f)
	}
	_ = json.NewEncoder(out).Encode(r)
}

// secretsShown lets everything fail in every way, for the app and for tokens,
// and looks for secrets in errors, findings, results, values and the log.
func secretsShown(ctx context.Context, h Harness) error {
	var out bytes.Buffer
	step := func() {
		r, err := h.step(ctx)
		said(&out, r, err)
	}
	step()
	for _, f := range []Fault{Echo, ServerError, Redirect, TooDeep, HTML, HTMLAsJSON, WrongType} {
		h.Wire.Arm(f)
		step()
		if h.ExpireToken != nil {
			h.ExpireToken()
			h.Wire.Arm("", f) // the call that finds the token dead, then the request for another
			step()
			h.ExpireToken()
			h.Wire.Arm("", f)
			said(&out, idp.StepResult{}, h.Tenant.Warm(ctx))
		}
		said(&out, idp.StepResult{}, h.stepOnFault(ctx, f))
	}
	if h.SetRights != nil {
		h.SetRights(false)
		step()
	}
	_, err := h.Tenant.List(ctx)
	said(&out, idp.StepResult{}, err)
	fmt.Fprintf(&out, "%v %+v %#v", h.Tenant, h.Tenant, h.Tenant)

	log, secrets := h.Wire.log.String(), h.Wire.secrets()
	secrets["what the config refers to"] = h.Secret
	if !strings.Contains(log, "level=DEBUG") || len(secrets) == 0 || out.Len() < 1000 {
		return fmt.Errorf("%d bytes of log, %d secrets, %d bytes of errors: too little to prove anything", len(log), len(secrets), out.Len())
	}
	if found := secrettest.Find(out.String(), secrets); len(found) > 0 {
		return fmt.Errorf("errors, findings or values hold %v", found)
	}
	if found := secrettest.Find(log, secrets); len(found) > 0 {
		return fmt.Errorf("the log holds %v", found)
	}
	return nil
}

// gossiping returns a saboteur that writes a secret somewhere in some form.
func gossiping(where func(Harness) io.Writer, form func(string) string) func(Harness) Harness {
	return func(h Harness) Harness { return h.tenant(gossip{h.Tenant, h, where, form}) }
}

type gossip struct {
	idp.Tenant
	h     Harness
	where func(Harness) io.Writer // nil: into an error
	form  func(string) string
}

func (s gossip) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	doc, err := s.Tenant.Read(ctx, id)
	for _, secret := range s.h.Wire.secrets() {
		if s.where == nil {
			err = errors.Join(err, errors.New("could not read with "+s.form(secret)))
			break
		}
		fmt.Fprintln(s.where(s.h), "level=DEBUG msg=call with="+s.form(secret))
		break
	}
	return doc, err
}

func toLog(h Harness) io.Writer { return &h.Wire.log }
