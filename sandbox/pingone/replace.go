package pingone

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// readOnlyKeys belong to PingOne (readOnly in the OpenAPI description, and
// environment by its model): what a client sends is not stored.
const readOnlyKeys = "_links id environment createdAt updatedAt"

// defaults are what optional keys of a SAML application read as when they were
// left out of a PUT: of the first two the OpenAPI description says so, of the
// others it is ours. Every other key that is left out is gone.
const defaults = `{"assertionSigned":true,"responseSigned":false,"hiddenFromAppPortal":false,"assignActorRoles":false,"tags":[]}`

// replace computes what an application becomes when sent is PUT over old: a
// full replacement. Left-out signing falls back to the environment's default
// certificate.
func replace(old, sent object, defaultKey string) object {
	next := jsontree.Clone(sent)
	for _, k := range strings.Fields(readOnlyKeys) {
		delete(next, k)
		if v, ok := old[k]; ok {
			next[k] = jsontree.Clone(v)
		}
	}
	if jsontree.Text(old, "protocol") != "SAML" {
		return next
	}
	for k, v := range jsontree.MustDecode(defaults) {
		if _, sent := next[k]; !sent {
			next[k] = v
		}
	}
	if next["idpSigning"] == nil {
		next["idpSigning"] = signingWith(defaultKey)
	}
	return next
}

func signingWith(keyID string) object {
	return object{"algorithm": "SHA256withRSA", "key": object{"id": keyID}}
}

// check refuses a PUT that PingOne would refuse, and names every field that is
// wrong.
func (t *Tenant) check(e *environment, a *app, sent object) *apiError {
	var found []detail
	if t.o.Readings.RefuseReadOnlyKeys {
		for _, k := range strings.Fields(readOnlyKeys) {
			if _, has := sent[k]; has {
				found = append(found, wrong(k, "is read-only"))
			}
		}
	}
	found = append(found, checkEvery(a.doc, sent)...)
	if jsontree.Text(a.doc, "protocol") == "SAML" {
		found = append(found, checkSAML(e, sent)...)
	}
	if len(found) > 0 {
		return invalid(found...)
	}
	if id := jsontree.Text(sent, "spEntityId"); id != "" && e.entityTaken(id, a.id) {
		return taken("spEntityId", t.o.Readings.ConflictIs409)
	}
	return nil
}

// checkEvery holds the rules for applications of every protocol.
func checkEvery(old, sent object) []detail {
	var found []detail
	for _, k := range []string{"name", "type", "protocol"} {
		s, isText := sent[k].(string)
		switch {
		case sent[k] == nil:
			found = append(found, missing(k))
		case !isText:
			found = append(found, wrong(k, "must be a string"))
		case s == "":
			found = append(found, empty(k))
		case k != "name" && s != jsontree.Text(old, k):
			found = append(found, wrong(k, "cannot be changed"))
		}
	}
	found = append(found, needBool(sent, "enabled")...)
	return append(found, checkKinds(sent, "hiddenFromAppPortal assignActorRoles", "description loginPageUrl homePageUrl", "")...)
}

// checkSAML holds the rules for SAML applications.
func checkSAML(e *environment, sent object) []detail {
	found := checkACS(sent)
	switch id, isText := sent["spEntityId"].(string); {
	case sent["spEntityId"] == nil:
		found = append(found, missing("spEntityId"))
	case !isText || id == "":
		found = append(found, empty("spEntityId"))
	}
	if sent["assertionDuration"] == nil {
		found = append(found, missing("assertionDuration"))
	} else if n, ok := whole(sent["assertionDuration"]); !ok || n < 1 {
		found = append(found, detail{"INVALID_VALUE", "assertionDuration", "must be a whole number from 1", object{"rangeMinimumValue": 1}})
	}
	found = append(found, checkKinds(sent,
		"assertionSigned responseSigned enableRequestedAuthnContext enableAlwaysAcceptAcsUrlInSignedAuthnRequest",
		"defaultTargetUrl nameIdFormat sloBinding sloEndpoint sloResponseEndpoint", "sessionNotOnOrAfterDuration sloWindow")...)
	if sent["idpSigning"] == nil {
		return found
	}
	algorithm := jsontree.Text(sent, "idpSigning", "algorithm")
	switch _, known := e.key(jsontree.Text(sent, "idpSigning", "key", "id")); {
	case !known:
		found = append(found, wrong("idpSigning.key.id", "must be a signing key of the environment"))
	case algorithm != "" && algorithm != "SHA256withRSA" && algorithm != "SHA384withRSA" && algorithm != "SHA512withRSA":
		found = append(found, detail{"INVALID_VALUE", "idpSigning.algorithm", "must fit the key",
			object{"allowedValues": []any{"SHA256withRSA", "SHA384withRSA", "SHA512withRSA"}}})
	}
	return found
}

// checkACS: at least one URL (OpenAPI description); that they must be URLs is
// ours.
func checkACS(sent object) []detail {
	list, isList := sent["acsUrls"].([]any)
	switch {
	case sent["acsUrls"] == nil:
		return []detail{missing("acsUrls")}
	case !isList:
		return []detail{wrong("acsUrls", "must be a list of strings")}
	case len(list) == 0:
		return []detail{empty("acsUrls")}
	}
	for _, v := range list {
		if s, _ := v.(string); !validURL(s) {
			return []detail{wrong("acsUrls", "must be valid URLs")}
		}
	}
	return nil
}

func needBool(sent object, key string) []detail {
	if sent[key] == nil {
		return []detail{missing(key)}
	}
	return checkKinds(sent, key, "", "")
}

// checkKinds looks at the JSON types of optional keys.
func checkKinds(sent object, bools, texts, numbers string) []detail {
	var found []detail
	look := func(keys, want string, ok func(any) bool) {
		for _, k := range strings.Fields(keys) {
			if v := sent[k]; v != nil && !ok(v) {
				found = append(found, wrong(k, "must be "+want))
			}
		}
	}
	look(bools, "true or false", func(v any) bool { _, ok := v.(bool); return ok })
	look(texts, "a string", func(v any) bool { _, ok := v.(string); return ok })
	look(numbers, "a whole number", func(v any) bool { _, ok := whole(v); return ok })
	return found
}

// whole reads a JSON number that is a whole one, in whatever form.
func whole(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	if i, err := n.Int64(); err == nil {
		return i, true
	}
	f, err := n.Float64()
	return int64(f), err == nil && f == float64(int64(f))
}

// entityTaken says whether another application of the environment has this
// entity id.
func (e *environment) entityTaken(entityID, except string) bool {
	for _, a := range e.apps {
		if a.id != except && jsontree.Text(a.doc, "protocol") == "SAML" && jsontree.Text(a.doc, "spEntityId") == entityID {
			return true
		}
	}
	return false
}

// validURL: absolute, http or https.
func validURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
