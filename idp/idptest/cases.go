package idptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// Cases returns the suite.
func Cases() []Case {
	return []Case{
		{"read", "what is read must be what the vendor holds", readsTheApp},
		{"list", "an app that signs in to AWS must not be hidden", listsTheApp},
		{"move", "a move changes every endpoint field, the RelayState, and nothing else", moves},
		{"unknown values", "unknown keys, nulls and number forms survive a move and its undo", keepsUnknown},
		{"second run", "a step on a moved app writes nothing", secondRun},
		{"cut-off move", "a move of which only a part was stored is finished by running it again", converges},
		{"concurrent edit", "an edit between our read and our write stops the write", concurrentEdit},
		{"ignored write", "a success that stored nothing is no success", ignoredWrite},
		{"lost field", "a value of somebody else that a write loses is reported", lostField},
		{"lost answer", "a write whose answer was lost counts if it shows, and is not repeated", lostAnswer},
		{"silent write", "a write that gets no answer in time counts if it shows, and is repeated if not", silentWrite},
		{"later edit", "an undo takes back our fields and keeps later edits", undoKeepsLaterEdits},
		{"foreign endpoint", "an app with any foreign endpoint is not written", foreignACS},
		{"foreign relaystate", "a foreign RelayState is kept as found and the endpoints still move", foreignRelayState},
		{"redirect", "no credential follows a redirect to another host", redirected},
		{"foreign link", "no credential follows a list's link to another host", foreignLink},
		{"throttled", "a rate limit is waited out", throttled},
		{"server error", "a passing fault does not fail the step", serverError},
		{"late fault", "a write that took effect before the vendor failed counts, and is not repeated", lateFault},
		{"token expiry", "an access token that ends in the middle of a step is replaced", tokenExpiry},
		{"rights ended", "admin rights that have ended are named and nothing is claimed", rightsEnded},
		{"read-only", "read-only mode is named and nothing is claimed", readOnly},
		{"html", "somebody's page is not taken for the vendor, whatever its type says", htmlPage},
		{"wrong content type", "an answer that does not claim to be JSON is refused", wrongType},
		{"too large", "an answer of 100 MB is refused and not read to its end", tooLarge},
		{"gzip bomb", "an answer that unpacks to 100 MB is refused", gzipBomb},
		{"too deep", "a deeply nested answer is refused", tooDeep},
		{"secrets", "no credential, token or proof shows in an error, a finding, a value or the log", secretsShown},
		{"four calls", "a step asks at most four things of the vendor", fourCalls},
	}
}

func (h Harness) target() signin.Target { return signin.Target{From: h.From, To: h.To} }

func (h Harness) step(ctx context.Context) (idp.StepResult, error) {
	return idp.Step(ctx, h.Tenant, h.Codec, h.App, h.target(), idp.Hooks{})
}

// ours are the pointers that a move may change.
func (h Harness) ours() []idp.Pointer { return append(slices.Clone(h.ACS), h.RelayState) }

// others are what may differ after a move: ours, what stands around them, and
// what is volatile, as the honest codec of this vendor says.
func (h Harness) others() []idp.Pointer {
	return append(append(h.ours(), h.Around...), h.Codec.Volatile()...)
}

func (h Harness) writes() int { return h.Wire.Count(func(c Call) bool { return c.Write }) }

// snapshot returns the app as the simulator holds it.
func (h Harness) snapshot() json.RawMessage {
	raw, ok := h.Sim.App(string(h.App))
	if !ok {
		panic("idptest: the app is gone")
	}
	return raw
}

// edit changes one value as another administrator would, keeping number forms;
// nil deletes.
func (h Harness) edit(p idp.Pointer, value json.RawMessage) { Edit(h.Sim, h.App, p, value) }

// Edit changes one value of an app in a simulator; a nil value deletes.
func Edit(sim Simulator, id idp.AppID, p idp.Pointer, value json.RawMessage) {
	must(sim.EditApp(string(id), func(doc map[string]any) {
		raw, err := json.Marshal(doc)
		must(err)
		if value == nil {
			raw, err = idp.Delete(raw, p)
		} else {
			raw, err = idp.Set(raw, p, value)
		}
		must(err)
		next := map[string]any{}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		must(d.Decode(&next))
		clear(doc)
		maps.Copy(doc, next)
	}))
}

// text returns a text of the app as the simulator holds it.
func (h Harness) text(p idp.Pointer) string {
	raw, _, _ := idp.Get(h.snapshot(), p)
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

// at says whether every endpoint field is in region.
func (h Harness) at(region signin.Region) error {
	for _, p := range h.ACS {
		if acs, err := signin.ParseACS(h.text(p)); err != nil || acs.Region() != region {
			return fmt.Errorf("%s holds %q, not the endpoint of %s", p, h.text(p), region)
		}
	}
	return nil
}

// landsIn says whether the RelayState leads to region.
func (h Harness) landsIn(region signin.Region) error {
	if r, ok := signin.RegionOfRelayState(h.text(h.RelayState)); !ok || r != region {
		return fmt.Errorf("RelayState is %q, not a console page of %s", h.text(h.RelayState), region)
	}
	return nil
}

// same says whether two documents agree but for some pointers, number forms
// included.
func same(what string, a, b json.RawMessage, except []idp.Pointer) error {
	diff, err := idp.ChangedText(a, b, except)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if len(diff) > 0 {
		return fmt.Errorf("%s: these differ: %v", what, diff)
	}
	return nil
}

// want says whether err carries the code.
func want(err error, code finding.Code) error {
	if err == nil {
		return fmt.Errorf("no error, want %s", code)
	}
	if !finding.Is(err, code) {
		return fmt.Errorf("want finding %s, got: %w", code, err)
	}
	return nil
}

func readsTheApp(ctx context.Context, h Harness) error {
	h.addUnknown()
	doc, err := h.Tenant.Read(ctx, h.App)
	if err != nil {
		return err
	}
	if err := same("as read against as stored", h.snapshot(), doc.Raw, nil); err != nil {
		return err
	}
	app := h.Codec.Describe(doc)
	switch {
	case doc.ID != h.App || app.ID != h.App || doc.ReadAt.IsZero():
		return fmt.Errorf("read %q, described %q, at %v", doc.ID, app.ID, doc.ReadAt)
	case !app.Movable || app.Region() != h.From:
		return fmt.Errorf("described as movable=%v in %q, want movable in %q", app.Movable, app.Region(), h.From)
	case app.RelayState != h.text(h.RelayState) || app.ACSText != h.text(h.ACS[0]):
		return fmt.Errorf("described with RelayState %q and ACS %q", app.RelayState, app.ACSText)
	}
	return nil
}

func listsTheApp(ctx context.Context, h Harness) error {
	docs, err := h.Tenant.List(ctx)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if d.ID == h.App {
			return same("as listed against as stored", h.snapshot(), d.Raw, nil)
		}
	}
	return fmt.Errorf("app %s is not among the %d listed", h.App, len(docs))
}

func moves(ctx context.Context, h Harness) error {
	before := h.snapshot()
	r, err := h.step(ctx)
	if err != nil {
		return err
	}
	if r.Already || len(r.Changes) != len(h.ours()) || r.App.Region() != h.To {
		return fmt.Errorf("result: already=%v, %d changes, now in %q", r.Already, len(r.Changes), r.App.Region())
	}
	if err := h.at(h.To); err != nil {
		return err
	}
	if err := h.landsIn(h.To); err != nil {
		return err
	}
	return same("all but what moves", before, h.snapshot(), h.others())
}

// unknown is what no adapter knows: nulls, number forms that a float loses, an
// empty list and object, escapes.
const unknown = `{"null":null,"big":12345678901234567890,"form":1.50,"exp":1e2,"tiny":1e-300,"list":[null,0.10,{}],"text":"\u00e9\u2028 <&>"}`

func (h Harness) addUnknown() {
	for _, p := range h.Objects {
		h.edit(p.Child("xUnknown"), json.RawMessage(unknown))
		h.edit(p.Child("xNull"), json.RawMessage(`null`))
	}
}

func keepsUnknown(ctx context.Context, h Harness) error {
	h.addUnknown()
	before := h.snapshot()
	r, err := h.step(ctx)
	if err != nil {
		return err
	}
	if err := same("after the move", before, h.snapshot(), h.others()); err != nil {
		return err
	}
	if _, err := idp.Undo(ctx, h.Tenant, h.Codec, h.App, r.Changes, idp.Hooks{}); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return same("after the undo", before, h.snapshot(), h.Codec.Volatile())
}

func secondRun(ctx context.Context, h Harness) error {
	if _, err := h.step(ctx); err != nil {
		return err
	}
	writes := h.writes()
	r, err := h.step(ctx)
	if err != nil {
		return fmt.Errorf("second run: %w", err)
	}
	if !r.Already || h.writes() != writes {
		return fmt.Errorf("second run: already=%v, %d writes", r.Already, h.writes()-writes)
	}
	return nil
}

func converges(ctx context.Context, h Harness) error {
	acs, err := signin.ParseACS(h.text(h.ACS[0]))
	if err != nil {
		return err
	}
	moved, err := acs.In(h.To)
	if err != nil {
		return err
	}
	h.edit(h.ACS[0], idp.QuoteJSON(moved.String()))
	if _, err := h.step(ctx); err != nil {
		return err
	}
	if err := h.at(h.To); err != nil {
		return err
	}
	return h.landsIn(h.To)
}

func concurrentEdit(ctx context.Context, h Harness) error {
	var edited json.RawMessage
	hooks := idp.Hooks{Planned: func(context.Context, idp.Document, []idp.Change) error {
		h.edit(h.Bystander, json.RawMessage(`"edited meanwhile"`))
		edited = h.snapshot()
		return nil
	}}
	_, err := idp.Step(ctx, h.Tenant, h.Codec, h.App, h.target(), hooks)
	if h.writes() != 0 {
		return errors.Join(errors.New("wrote over somebody's edit"), err)
	}
	if err := want(err, finding.ChangedMeanwhile); err != nil {
		return err
	}
	return same("the edited app", edited, h.snapshot(), nil)
}

func ignoredWrite(ctx context.Context, h Harness) error {
	h.Sim.IgnoreNextWrite()
	_, err := h.step(ctx)
	return want(err, finding.NotVisible)
}

func lostField(ctx context.Context, h Harness) error {
	h.Sim.LoseFieldOnWrite(string(h.Bystander))
	_, err := h.step(ctx)
	if err := want(err, finding.LostUpdate); err != nil {
		return err
	}
	f, _ := finding.From(err)
	if evidence := strings.Join(f.EvidenceLines(), "\n"); !strings.Contains(evidence, string(h.Bystander)) {
		return fmt.Errorf("the evidence does not name %s:\n%s", h.Bystander, evidence)
	}
	return nil
}

func lostAnswer(ctx context.Context, h Harness) error {
	h.Sim.LoseNextAnswer()
	if _, err := h.step(ctx); err != nil {
		return err
	}
	return h.movedByOneWrite()
}

// movedByOneWrite says whether the app is there and was written once. Where a
// write shows late, nobody can tell whether it has to be repeated.
func (h Harness) movedByOneWrite() error {
	if n := h.writes(); n != 1 && !h.Lags {
		return fmt.Errorf("%d writes, want one", n)
	}
	return h.at(h.To)
}

func undoKeepsLaterEdits(ctx context.Context, h Harness) error {
	r, err := h.step(ctx)
	if err != nil {
		return err
	}
	later, err := signin.MustRegion("us-east-2").Console()
	if err != nil {
		return err
	}
	h.edit(h.Bystander, json.RawMessage(`"edited later"`))
	h.edit(h.RelayState, idp.QuoteJSON(later.String()))
	edited := h.snapshot()
	undo, err := idp.Undo(ctx, h.Tenant, h.Codec, h.App, r.Changes, idp.Hooks{})
	if err != nil {
		return err
	}
	if err := h.at(h.From); err != nil {
		return err
	}
	if !slices.ContainsFunc(undo.Findings, func(f finding.Finding) bool { return f.Code == finding.LaterEdit }) {
		return fmt.Errorf("the kept edit is not reported: %v", undo.Findings)
	}
	return same("later edits", edited, h.snapshot(), slices.Concat(h.ACS, h.Around, h.Codec.Volatile()))
}

func foreignACS(ctx context.Context, h Harness) error {
	for _, p := range slices.Concat(h.ACS, h.Further) {
		home := h.text(p)
		h.edit(p, json.RawMessage(`"https://us-west-2.signin.aws.amazon.com.evil.example/saml"`))
		edited := h.snapshot()
		_, err := h.step(ctx)
		if h.writes() > 0 {
			return errors.Join(fmt.Errorf("foreign endpoint in %s: the app was written", p), err)
		}
		if err := want(err, finding.ForeignACS); err != nil {
			return fmt.Errorf("foreign endpoint in %s: %w", p, err)
		}
		if err := same("the app with a foreign endpoint", edited, h.snapshot(), nil); err != nil {
			return err
		}
		h.edit(p, idp.QuoteJSON(home))
	}
	return nil
}

func foreignRelayState(ctx context.Context, h Harness) error {
	const foreign = "https://console.aws.amazon.com.evil.example/?region=us-east-1"
	h.edit(h.RelayState, idp.QuoteJSON(foreign))
	r, err := h.step(ctx)
	if err != nil {
		return err
	}
	if got := h.text(h.RelayState); got != foreign {
		return fmt.Errorf("the RelayState became %q", got)
	}
	if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.Code == finding.ForeignRelayState }) {
		return fmt.Errorf("it is not reported: %v", r.Findings)
	}
	return h.at(h.To)
}

func fourCalls(ctx context.Context, h Harness) error {
	r, err := h.step(ctx)
	if err != nil {
		return err
	}
	if n := len(h.Wire.Calls()) - r.Polls; n > 4 || r.Calls > 4 || r.Calls < n {
		return fmt.Errorf("%d calls reached the vendor, %d were counted, at most 4 are allowed", n, r.Calls)
	}
	return nil
}
