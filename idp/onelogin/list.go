package onelogin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
)

const (
	pageSize = 100
	maxPages = 1000
	// roleAttributes is how the names of AWS's SAML attributes begin: an app that
	// sends one signs in to AWS, whatever its connector.
	roleAttributes = "https://aws.amazon.com/SAML/Attributes/"
)

// List returns every app of the account that has to do with sign-in to AWS,
// whatever its connector. It is calm-time traffic, whatever the context says.
// Whether a list shows an app whole is not documented, so each app that may be
// AWS's is read by itself.
func (t *Tenant) List(ctx context.Context) ([]idp.Document, error) {
	ctx = idp.Calm(ctx)
	known, err := t.learn(ctx)
	if err != nil {
		return nil, fmt.Errorf("onelogin: list connectors: %w", err)
	}
	var out []idp.Document
	err = t.pages(ctx, "/api/2/apps", url.Values{}, func(raw json.RawMessage) error {
		if !known.mayBeAWS(raw) {
			return nil
		}
		id, ok := idOf(raw)
		if !ok {
			return finding.Finding{Code: finding.IdPAnswer, Subject: t.subject, What: "an app in the list has no id", Remedy: "show this to OneLogin's support"}
		}
		doc, err := t.Read(ctx, id)
		if finding.Is(err, finding.AppNotFound) {
			return nil // deleted since it was listed
		}
		if err == nil && known.isAWS(doc.Raw) {
			out = append(out, doc)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("onelogin: list apps: %w", err)
	}
	return out, nil
}

// pages reads a list to its end. OneLogin names the next page by After-Cursor;
// where an answer has none, by the number of the page, as long as pages are
// full or Total-Pages says that there are more (API docs, "Using Query
// Parameters"). A list that brings nothing new is at its end.
func (t *Tenant) pages(ctx context.Context, path string, query url.Values, each func(json.RawMessage) error) error {
	query.Set("limit", strconv.Itoa(pageSize))
	seen := map[idp.AppID]bool{}
	for page := 1; page <= maxPages; page++ {
		resp, err := t.api.Get(ctx, call.Request{Bucket: t.bucket, Subject: t.subject, Path: path + "?" + query.Encode()})
		if err != nil {
			return err
		}
		var items []json.RawMessage
		if json.Unmarshal(resp.Body, &items) != nil {
			return t.api.Unexpected(t.subject, "the list is not a JSON array", resp)
		}
		fresh := 0
		for _, raw := range items {
			if id, ok := idOf(raw); ok && seen[id] {
				continue
			} else if ok {
				seen[id] = true
			}
			fresh++
			if err := each(raw); err != nil {
				return err
			}
		}
		more, err := t.next(resp, query, page, len(items))
		if err != nil || !more || fresh == 0 {
			return err
		}
	}
	return finding.Finding{Code: finding.IdPAnswer, Subject: t.subject, What: "the list does not end",
		Why: fmt.Sprintf("after %d pages OneLogin names yet another", maxPages), Remedy: "show this to OneLogin's support"}
}

// next turns the query into that of the next page; more is false when the page
// was the last.
func (t *Tenant) next(resp outbound.Response, query url.Values, page, items int) (more bool, err error) {
	if cursor := resp.Header.Get("After-Cursor"); cursor != "" {
		if strings.Contains(cursor, "://") {
			return false, finding.Finding{Code: finding.ForeignLink, Subject: t.subject, What: "a list goes on at an address of its own and was not followed",
				Why: "OneLogin's cursors are no addresses", Remedy: "ask who changed its answer", Evidence: map[string]string{"After-Cursor": call.Cut(cursor, 200)}}
		}
		query.Del("page")
		query.Set("cursor", cursor)
		return true, nil
	}
	total, stated := number(resp.Header, "Total-Pages")
	if query.Has("cursor") || (stated && page >= total) || (!stated && items < pageSize) {
		return false, nil
	}
	query.Set("page", strconv.Itoa(page+1))
	return true, nil
}

// connectors is what was learned of the account's connectors. Their ids are
// documented for few, so they are looked up by name.
type connectors struct {
	aws    []string // ids of AWS's own
	custom []string // ids of those that can be set up for any application
	whole  bool     // all were to be had
}

// learn asks for the connectors that matter. That takes the scope Manage All;
// without it every SAML app is looked at.
func (t *Tenant) learn(ctx context.Context) (connectors, error) {
	out := connectors{whole: true}
	for _, name := range []string{"amazon", "aws", "saml"} {
		err := t.pages(ctx, "/api/2/connectors", url.Values{"name": {name}}, func(raw json.RawMessage) error {
			v, err := idp.Parse(raw)
			if err != nil {
				return err
			}
			id := plain(v, "/id")
			switch kindOfConnector(text(v, "/name")) {
			case awsConnector:
				out.aws = append(out.aws, id)
			case customizable:
				out.custom = append(out.custom, id)
			}
			return nil
		})
		switch {
		case finding.Is(err, finding.IdPPermission), finding.Is(err, finding.IdPAuth), finding.Is(err, finding.AppNotFound):
			t.log.InfoContext(ctx, "the connectors may not be listed, so every SAML app is looked at", "tenant", t.subject, "why", err)
			return connectors{}, nil
		case err != nil:
			return connectors{}, err
		}
	}
	return out, nil
}

type connectorKind int

const (
	otherConnector connectorKind = iota
	awsConnector
	customizable
)

// kindOfConnector goes by the name that OneLogin's catalogue shows.
func kindOfConnector(name string) connectorKind {
	name = strings.ToLower(name)
	switch {
	case strings.Contains(name, "amazon web services"), strings.HasPrefix(name, "aws"):
		return awsConnector
	case strings.Contains(name, "saml"):
		return customizable
	}
	return otherConnector
}

// mayBeAWS reports whether a list's entry may be an app for AWS. It errs on the
// side of looking.
func (c connectors) mayBeAWS(entry []byte) bool {
	v, err := idp.Parse(entry)
	if err != nil || c.isAWS(entry) {
		return true
	}
	if plain(v, "/auth_method") != samlMethod {
		return mentionsAmazon(text(v, "/name"))
	}
	if _, shown := v.At(consumerURL); shown {
		return false // it is whole, and nothing in it is AWS's
	}
	return !c.whole || slices.Contains(c.custom, plain(v, "/connector_id")) || mentionsAmazon(text(v, "/name"))
}

func mentionsAmazon(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "aws") || strings.Contains(name, "amazon")
}

// isAWS reports whether an app signs in to AWS: by its connector, by what its
// configuration names, or by the attributes that it sends.
func (c connectors) isAWS(app []byte) bool {
	v, err := idp.Parse(app)
	if err != nil {
		return mentionsAWS(string(app)) || strings.Contains(string(app), roleAttributes)
	}
	if slices.Contains(c.aws, plain(v, "/connector_id")) {
		return true
	}
	var shown struct {
		Configuration map[string]any `json:"configuration"`
		Parameters    map[string]any `json:"parameters"`
	}
	_ = json.Unmarshal(app, &shown) // another form has no values to look at
	for _, value := range shown.Configuration {
		if s, ok := value.(string); ok && mentionsAWS(strings.ReplaceAll(s, `\`, "")) {
			return true
		}
	}
	for name := range shown.Parameters {
		if strings.HasPrefix(name, roleAttributes) {
			return true
		}
	}
	return false
}

// idOf reads an app's id, a number. A text that Parse refuses still has one, so
// that the app can be named in a finding.
func idOf(raw json.RawMessage) (idp.AppID, bool) {
	var app struct {
		ID json.Number `json:"id"`
	}
	if json.Unmarshal(raw, &app) != nil {
		return "", false
	}
	id := idp.AppID(app.ID)
	return id, idShape.MatchString(string(id))
}
