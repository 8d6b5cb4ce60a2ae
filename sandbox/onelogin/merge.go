package onelogin

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/mishap"
)

// What a PUT may and may not carry at its top level.
const (
	writableKeys = "name description notes visible allow_assumed_signin brand_id role_ids provisioning configuration parameters connector_id enforcement_point"
	readOnlyKeys = "id icon_url auth_method policy_id tab_id created_at updated_at sso"
)

// merge computes what an app becomes when sent is PUT to it: only what is
// named changes, but role_ids is replaced as a whole.
func (t *Tenant) merge(old, sent object) (object, *apiError) {
	if refused := checkKinds(old, sent); refused != nil {
		return nil, refused
	}
	next := jsontree.Clone(old)
	for _, k := range slices.Sorted(maps.Keys(sent)) {
		var refused *apiError
		switch {
		case k == "configuration":
			refused = t.configure(next, sent)
		case k == "parameters":
			refused = t.setParameters(next, sent)
		case slices.Contains(strings.Fields(writableKeys), k):
			next[k] = jsontree.Clone(sent[k])
		case slices.Contains(strings.Fields(readOnlyKeys), k):
			refused = extra(k, t.o.Readings.RefuseReadOnly)
		default:
			refused = t.unknown(t.o.Readings.UnknownKeys, k, old, func() { next[k] = jsontree.Clone(sent[k]) })
		}
		if refused != nil {
			return nil, refused
		}
	}
	return next, nil
}

// extra is the refusal that v2's body schemas give, if it is to be refused.
func extra(key string, refuse bool) *apiError {
	if !refuse {
		return nil
	}
	return unprocessable(fmt.Sprintf("instance is not allowed to have the additional property %q", key))
}

// unknown treats a key that no document names; the app's own are known.
func (t *Tenant) unknown(how KeyReading, key string, old object, store func()) *apiError {
	if _, has := old[key]; has || how == Stored {
		store()
		return nil
	}
	return extra(key, how == Refused)
}

// checkKinds looks at the JSON types of what is sent, and at the connector.
func checkKinds(old, sent object) *apiError {
	kinds := map[string]func(any) bool{
		"name":                 func(v any) bool { s, ok := v.(string); return ok && s != "" },
		"visible":              isBool,
		"allow_assumed_signin": isBool,
		"provisioning":         isObject,
		"configuration":        isObject,
		"parameters":           isObject,
		"role_ids":             isIDs,
	}
	for k, ok := range kinds {
		if v, has := sent[k]; has && !ok(v) {
			return unprocessable(fmt.Sprintf("invalid value in %q", k))
		}
	}
	if v, has := sent["connector_id"]; has {
		was, _ := whole(old["connector_id"])
		if n, ok := whole(v); !ok || n != was {
			return unprocessable("Validation failed: Connector ID is invalid")
		}
	}
	return nil
}

func isBool(v any) bool { _, ok := v.(bool); return ok }

func isObject(v any) bool { _, ok := v.(object); return ok }

func isIDs(v any) bool {
	list, ok := v.([]any)
	return ok && !slices.ContainsFunc(list, func(e any) bool { _, ok := whole(e); return !ok })
}

// configure sets the app's configuration.
func (t *Tenant) configure(next, sent object) *apiError {
	old, given := jsontree.Sub(next, "configuration"), jsontree.Sub(sent, "configuration")
	merged := object{}
	if !t.o.Readings.ConfigurationReplaces {
		merged = jsontree.Clone(old)
		if merged == nil {
			merged = object{}
		}
	}
	id, _ := whole(next["connector_id"])
	c, _ := connector(int(id))
	for _, k := range slices.Sorted(maps.Keys(given)) {
		store := func() { merged[k] = jsontree.Clone(given[k]) }
		if slices.Contains(strings.Fields(c.Keys), k) {
			store()
		} else if refused := t.unknown(t.o.Readings.UnknownConfiguration, k, old, store); refused != nil {
			return refused
		}
	}
	if refused := t.checkConfiguration(merged); refused != nil {
		return refused
	}
	next["configuration"] = merged
	return t.certify(next)
}

// checkConfiguration refuses what makes no sense; all else is stored as it was
// sent.
func (t *Tenant) checkConfiguration(c object) *apiError {
	if s, isText := c["signature_algorithm"].(string); isText && !slices.Contains([]string{"", "SHA-1", "SHA-256", "SHA-348", "SHA-512"}, s) {
		return unprocessable(`invalid value in "signature_algorithm"`)
	}
	if t.o.Readings.ValidatorRefusesWrite && !admits(c) {
		return unprocessable("Validation failed: ACS (Consumer) URL does not match the ACS (Consumer) URL Validator")
	}
	return nil
}

// admits says whether the configuration's validator matches its consumer_url.
// No validator matches everything.
func admits(c object) bool {
	pattern := jsontree.Text(c, "validator")
	if pattern == "" {
		return true
	}
	form, err := regexp.Compile(pattern)
	return err == nil && form.MatchString(jsontree.Text(c, "consumer_url"))
}

// certify makes sso.certificate follow configuration.certificate_id; without
// one the app keeps the certificate that it has.
func (t *Tenant) certify(doc object) *apiError {
	v := jsontree.Sub(doc, "configuration")["certificate_id"]
	sso := jsontree.Sub(doc, "sso")
	if v == nil || sso == nil {
		return nil
	}
	n, ok := number(v)
	if has, _ := number(jsontree.Sub(sso, "certificate")["id"]); ok && has == n {
		return nil
	}
	c, known := t.cert(n)
	if !ok || !known {
		return unprocessable(`invalid value in "certificate_id"`)
	}
	sso["certificate"] = object{"id": c.id, "name": c.name, "value": c.pem()}
	return nil
}

// setParameters changes parameters that exist and adds new ones.
func (t *Tenant) setParameters(next, sent object) *apiError {
	all := jsontree.Clone(jsontree.Sub(next, "parameters"))
	if all == nil {
		all = object{}
	}
	id, _ := whole(next["connector_id"])
	c, _ := connector(int(id))
	given := jsontree.Sub(sent, "parameters")
	for _, name := range slices.Sorted(maps.Keys(given)) {
		p, isObject := given[name].(object)
		old := jsontree.Sub(all, name)
		if include, has := p["include_in_saml_assertion"]; !isObject || has && !isBool(include) || name == "" {
			return unprocessable(fmt.Sprintf("invalid value in %q", "parameters"))
		}
		if old == nil && !c.NewParameters {
			return unprocessable("Validation failed: Connector does not allow new parameters")
		}
		made, refused := t.parameter(name, old, p)
		if refused != nil {
			return refused
		}
		all[name] = made
	}
	next["parameters"] = all
	return nil
}

// parameter makes one parameter from what it was (nil = new) and what is sent.
func (t *Tenant) parameter(name string, old, sent object) (object, *apiError) {
	made := jsontree.MustDecode(blankParameter)
	switch {
	case old == nil:
		t.made++
		made["id"], made["label"] = 400_000+t.made, name
	case t.o.Readings.ParametersReplace:
		made["id"], made["label"] = old["id"], old["label"]
	default:
		made = jsontree.Clone(old)
	}
	for k, v := range sent {
		same := string(encode(v)) == string(encode(made[k]))
		fixed := k == "id" || k == "label" && old != nil
		switch {
		case fixed && !same:
			if refused := extra(k, t.o.Readings.RefuseReadOnly); refused != nil {
				return nil, refused
			}
		case !fixed:
			made[k] = jsontree.Clone(v)
		}
	}
	return made, nil
}

// serveParameter removes a parameter by id. Those that the connector brings
// come back at once.
func (t *Tenant) serveParameter(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodDelete {
		t.fail(w, wrongMethod())
		return
	}
	if t.script.ReadOnly() || mishap.IsReadOnly(r.Context()) {
		t.fail(w, readOnlyMode())
		return
	}
	if !t.removeParameter(r.PathValue("id"), r.PathValue("parameter")) {
		t.fail(w, notFound())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (t *Tenant) removeParameter(appID, parameterID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.find(appID)
	if a == nil {
		return false
	}
	doc := jsontree.Clone(a.doc)
	all := jsontree.Sub(doc, "parameters")
	connectorID, _ := whole(doc["connector_id"])
	for name, v := range all {
		p, _ := v.(object)
		n, ok := number(p["id"])
		if !ok || fmt.Sprint(n) != parameterID {
			continue
		}
		if _, brought := broughtParameters(int(connectorID))[name]; brought {
			return true
		}
		delete(all, name)
		doc["updated_at"] = stamp(time.Now())
		a.doc, a.raw = doc, encode(doc)
		return true
	}
	return false
}
