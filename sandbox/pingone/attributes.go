package pingone

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// mapping is one attribute mapping of an application. doc is never changed in
// place.
type mapping struct {
	id  string
	doc object
}

// subjectName is the name of the CORE mapping of a SAML application
// (terraform-provider-pingone); alias is what the OpenAPI description calls it.
const (
	subjectName  = "saml_subject"
	subjectAlias = "samlAssertion.subject"
)

// maxMappings per application (PingOne platform limits).
const maxMappings = 100

// newMapping makes a mapping; the caller holds mu.
func (t *Tenant) newMapping(a *app, kind string, sent object) mapping {
	id, now := t.newID(), stamp(time.Now())
	link := t.appLink(a.env, a.id)
	doc := jsontree.Clone(sent)
	maps.Copy(doc, object{"id": id, "mappingType": kind, "createdAt": now, "updatedAt": now, "application": object{"id": a.id},
		"_links": object{"self": object{"href": link + "/attributes/" + id}, "application": object{"href": link}}})
	return mapping{id, doc}
}

// serveMappings is the list of mappings, and adding one.
func (t *Tenant) serveMappings(w http.ResponseWriter, r *http.Request, may rights) {
	a, ok := t.appOf(r)
	switch {
	case !ok:
		t.fail(w, notFound())
	case r.Method == http.MethodGet:
		var all [][]byte
		for _, m := range a.mappings {
			all = append(all, encode(m.doc))
		}
		t.list(w, r, "attributes", all)
	case r.Method == http.MethodPost:
		t.changeMappings(w, r, may, http.StatusCreated)
	default:
		t.fail(w, wrongMethod())
	}
}

// serveMapping is one mapping: read, replace, delete.
func (t *Tenant) serveMapping(w http.ResponseWriter, r *http.Request, may rights) {
	a, ok := t.appOf(r)
	i := slices.IndexFunc(a.mappings, func(m mapping) bool { return m.id == r.PathValue("id") })
	switch {
	case !ok || i < 0:
		t.fail(w, notFound())
	case r.Method == http.MethodGet:
		t.writeJSON(w, http.StatusOK, encode(a.mappings[i].doc))
	case r.Method == http.MethodPut:
		t.changeMappings(w, r, may, http.StatusOK)
	case r.Method == http.MethodDelete:
		t.deleteMapping(w, r, may)
	default:
		t.fail(w, wrongMethod())
	}
}

// mayMap says whether mappings may be written.
func (t *Tenant) mayMap(r *http.Request, may rights) bool {
	return !t.o.Readings.OwnerCannotMap || !may.onlyOwns(r.PathValue("env"))
}

// changeMappings is a POST or a PUT.
func (t *Tenant) changeMappings(w http.ResponseWriter, r *http.Request, may rights, status int) {
	sent, refused := readObject(w, r)
	if refused == nil && !t.mayMap(r, may) {
		refused = forbidden()
	}
	if refused != nil {
		t.fail(w, refused)
		return
	}
	m, refused := t.putMapping(r.PathValue("app"), r.PathValue("id"), sent)
	if refused != nil {
		t.fail(w, refused)
		return
	}
	t.writeJSON(w, status, encode(m.doc))
}

// putMapping stores a new mapping (id "") or replaces one.
func (t *Tenant) putMapping(appID, id string, sent object) (mapping, *apiError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.find(appID)
	i := slices.IndexFunc(a.mappings, func(m mapping) bool { return m.id == id })
	switch {
	case id != "" && i < 0:
		return mapping{}, notFound() // deleted since
	case jsontree.Text(a.doc, "protocol") != "SAML":
		return mapping{}, invalid(wrong("application", "this simulator maps attributes of SAML applications only"))
	case id == "" && len(a.mappings) >= maxMappings:
		return mapping{}, invalid(wrong("attributes", "an application has at most 100 of them"))
	}
	var old object
	if i >= 0 {
		old = a.mappings[i].doc
	}
	if refused := t.checkMapping(a, id, old, sent); refused != nil {
		return mapping{}, refused
	}
	clean := jsontree.Clone(sent)
	for _, k := range strings.Fields("_links id application createdAt updatedAt mappingType environment") {
		delete(clean, k)
	}
	if clean["required"] == nil {
		clean["required"] = false
	}
	if t.o.Readings.DropNameFormat && (old == nil || jsontree.Text(old, "mappingType") == "CUSTOM") {
		delete(clean, "nameFormat")
	}
	a.mappings = slices.Clone(a.mappings)
	if i < 0 {
		m := t.newMapping(a, "CUSTOM", clean)
		a.mappings = append(a.mappings, m)
		return m, nil
	}
	for _, k := range strings.Fields("_links id application createdAt mappingType") {
		clean[k] = old[k]
	}
	clean["updatedAt"] = stamp(time.Now())
	a.mappings[i] = mapping{id, clean}
	return a.mappings[i], nil
}

// checkMapping refuses what PingOne would refuse. name and value are required;
// required itself is so in the OpenAPI description and not on the page: it may
// be left out here.
func (t *Tenant) checkMapping(a *app, id string, old, sent object) *apiError {
	var found []detail
	for _, k := range []string{"name", "value"} {
		s, isText := sent[k].(string)
		switch {
		case sent[k] == nil:
			found = append(found, missing(k))
		case !isText:
			found = append(found, wrong(k, "must be a string"))
		case s == "":
			found = append(found, empty(k))
		}
	}
	found = append(found, checkKinds(sent, "required", "nameFormat", "")...)
	name := jsontree.Text(sent, "name")
	core := old != nil && jsontree.Text(old, "mappingType") == "CORE"
	switch reserved := strings.EqualFold(name, subjectName) || strings.EqualFold(name, subjectAlias); {
	case core && name != "" && name != jsontree.Text(old, "name"):
		found = append(found, wrong("name", "of a core mapping cannot be changed"))
	case !core && reserved:
		found = append(found, wrong("name", "is reserved for the subject"))
	}
	if len(found) > 0 {
		return invalid(found...)
	}
	if slices.ContainsFunc(a.mappings, func(m mapping) bool { return m.id != id && jsontree.Text(m.doc, "name") == name }) {
		return taken("name", t.o.Readings.ConflictIs409)
	}
	return nil
}

// deleteMapping removes a custom mapping.
func (t *Tenant) deleteMapping(w http.ResponseWriter, r *http.Request, may rights) {
	if !t.mayMap(r, may) {
		t.fail(w, forbidden())
		return
	}
	t.mu.Lock()
	a := t.find(r.PathValue("app"))
	i := slices.IndexFunc(a.mappings, func(m mapping) bool { return m.id == r.PathValue("id") })
	var refused *apiError
	switch {
	case i < 0:
		refused = notFound()
	case jsontree.Text(a.mappings[i].doc, "mappingType") == "CORE":
		refused = invalid(wrong("mappingType", "core mappings cannot be removed"))
	default:
		a.mappings = slices.Delete(slices.Clone(a.mappings), i, i+1)
	}
	t.mu.Unlock()
	if refused != nil {
		t.fail(w, refused)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
