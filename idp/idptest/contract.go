package idptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/samlfailover/samlfailover/idp"
)

// Contract is what requests and answers of one API look like: an OpenAPI
// document of our own, written from what the vendor documents and what real
// tenants were seen to answer. It is not the adapter's view, and not the
// simulator's: both are held against it. Safe for concurrent use.
type Contract struct {
	router routers.Router
	pages  []string
}

// LoadContract reads the document at path, once per test binary. What lies
// under pages is for browsers and no API; everything else must be in the
// document.
func LoadContract(path string, pages ...string) func(testing.TB) *Contract {
	load := sync.OnceValues(func() (*Contract, error) {
		doc, err := openapi3.NewLoader().LoadFromFile(path)
		if err != nil {
			return nil, err
		}
		for _, xml := range []string{"application/xml", "application/samlmetadata+xml"} {
			openapi3filter.RegisterBodyDecoder(xml, openapi3filter.PlainBodyDecoder)
		}
		router, err := legacy.NewRouter(doc)
		return &Contract{router: router, pages: pages}, err
	})
	return func(t testing.TB) *Contract {
		c, err := load()
		if err != nil {
			t.Fatalf("the contract %s: %v", path, err)
		}
		return c
	}
}

// exchange is one request and the answer to it, whole.
type exchange struct {
	method, url string
	asked       http.Header
	body        []byte
	status      int
	header      http.Header
	answer      []byte
}

// keeps says whether every exchange with the hosts so far keeps the contract.
func (w *Wire) keeps() error {
	w.mu.Lock()
	done := slices.Clone(w.exchanges)
	w.mu.Unlock()
	for _, e := range done {
		if err := w.contract.check(e); err != nil {
			return fmt.Errorf("the contract does not hold: %w", err)
		}
	}
	return nil
}

// check says in what way an exchange breaks the contract.
func (c *Contract) check(e exchange) error {
	r, err := http.NewRequest(e.method, e.url, bytes.NewReader(e.body))
	if err != nil {
		return err
	}
	r.Header = e.asked
	for _, p := range c.pages {
		if strings.HasPrefix(r.URL.Path, p) {
			return nil
		}
	}
	r.URL.Scheme, r.URL.Host = "", ""
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		return fmt.Errorf("%s %s: the contract has no such operation: %w", e.method, r.URL.Path, err)
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: authorized, IncludeResponseStatus: true, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true}}
	ctx := context.Background()
	if err := openapi3filter.ValidateRequest(ctx, in); err != nil {
		return fmt.Errorf("%s %s: the request: %w", e.method, r.URL.Path, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: e.status, Header: e.header, Body: io.NopCloser(bytes.NewReader(e.answer)),
		Options: in.Options}
	if err := openapi3filter.ValidateResponse(ctx, out); err != nil {
		return fmt.Errorf("%s %s: the answer %d: %w", e.method, r.URL.Path, e.status, err)
	}
	return nil
}

// authorized wants the scheme's name as the first word of the header
// Authorization, and a credential behind it.
func authorized(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	r := in.RequestValidationInput.Request
	word, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case !strings.EqualFold(word, in.SecuritySchemeName) || credential == "":
		return fmt.Errorf("no credential of the scheme %s", in.SecuritySchemeName)
	case in.SecuritySchemeName == "DPoP" && r.Header.Get("Dpop") == "":
		return errors.New("a DPoP token without a proof")
	}
	return nil
}

// RunContract proves that the contract refuses what it should. The exchanges of
// a list, a step and a renewed token keep it; then one thing in them is wrong at
// a time. required are values that a write must hold.
func RunContract(t *testing.T, harness func(*testing.T) Harness, required ...idp.Pointer) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := harness(t)
		if h.ExpireToken != nil {
			h.ExpireToken()
		}
		_, err := h.Tenant.List(t.Context())
		if _, stepErr := h.step(t.Context()); err != nil || stepErr != nil {
			t.Fatal(err, stepErr)
		}
		if err := h.Wire.keeps(); err != nil {
			t.Fatal(err)
		}
		read, write := h.Wire.sample(h)
		for why, wrong := range h.wrongs(read, write, required) {
			if err := h.Wire.contract.check(wrong); err == nil {
				t.Errorf("%s: the contract lets that pass: %s %s", why, wrong.body, wrong.answer)
			}
		}
	})
}

// sample returns a read and a write of the app.
func (w *Wire) sample(h Harness) (read, write exchange) {
	for _, e := range w.exchanges {
		_, ok, err := idp.Get(e.answer, h.ACS[0])
		switch {
		case e.method == http.MethodGet && err == nil && ok:
			read = e
		case e.method == http.MethodPut:
			write = e
		}
	}
	return read, write
}

// wrongs are exchanges with one fault each.
func (h Harness) wrongs(read, write exchange, required []idp.Pointer) map[string]exchange {
	out := map[string]exchange{}
	for _, p := range required {
		e := write
		var err error
		e.body, err = idp.Delete(write.body, p)
		must(err)
		out["a write without "+string(p)] = e
	}
	for _, p := range append(slices.Clone(h.ACS), h.RelayState) {
		for why, value := range map[string]string{"a number": "7", "an object": "{}"} {
			e := read
			var err error
			e.answer, err = idp.Set(read.answer, p, json.RawMessage(value))
			must(err)
			out["an answer in which "+string(p)+" is "+why] = e
			e = write
			e.body, err = idp.Set(write.body, p, json.RawMessage(value))
			must(err)
			out["a write in which "+string(p)+" is "+why] = e
		}
	}
	bare, moved, page, typed := write, read, read, read
	bare.asked = http.Header{"Content-Type": write.asked["Content-Type"]}
	moved.url += "/lifecycle/deactivate"
	page.answer = []byte("<html></html>")
	typed.header = read.header.Clone()
	typed.header.Set("Content-Type", "text/html")
	out["a write without a credential"], out["an operation that nobody knows"] = bare, moved
	out["a page for the app"], out["the app with the type of a page"] = page, typed
	return out
}
