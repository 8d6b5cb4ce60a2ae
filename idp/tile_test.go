package idp_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/signin"
)

// tiled is a custom app with a tile.
func tiled(acs, hide string) json.RawMessage {
	return json.RawMessage(strings.Replace(string(doc(acs, westPage)), `"label":"AWS"`, `"label":"AWS","visibility":{"autoLaunch":null,"hide":`+hide+`}`, 1))
}

// A tile is shown and hidden like any other value is written: read, re-read,
// write, read back whole; nothing else is touched, and people's tiles are only
// looked at.
// spec 2.10, 2.2
func TestStepTile(t *testing.T) {
	t.Parallel()
	region := signin.MustRegion("us-west-2")
	dropped := func(m *memory, n int, next json.RawMessage) (bool, error) { return false, nil }
	more := func(m *memory, n int, next json.RawMessage) (bool, error) {
		m.raw = json.RawMessage(strings.Replace(string(next), `"notes":null`, `"notes":{}`, 1))
		return false, nil
	}
	for _, c := range []struct {
		why     string
		raw     json.RawMessage
		tile    idp.Tile
		onWrite func(*memory, int, json.RawMessage) (bool, error)
		after   string // of hide
		writes  int
		already bool
		code    finding.Code
	}{
		{"shown in both portals", tiled(west, `{"web":true,"iOS":true}`), idp.Tile{Region: region, Show: true, Ours: true}, nil, `{"web":false,"iOS":false}`, 1, false, ""},
		{"one portal lacks it", tiled(west, `{"web":false,"iOS":true}`), idp.Tile{Region: region, Show: true, Ours: true}, nil, `{"web":false,"iOS":false}`, 1, false, ""},
		{"hidden again", tiled(west, `{"web":false,"iOS":false}`), idp.Tile{Region: region, Ours: true}, nil, `{"web":true,"iOS":true}`, 1, false, ""},
		{"shown already", tiled(west, `{"web":false,"iOS":false}`), idp.Tile{Region: region, Show: true, Ours: true}, nil, `{"web":false,"iOS":false}`, 0, true, ""},
		{"it signs in elsewhere", tiled(east, `{"web":true,"iOS":true}`), idp.Tile{Region: region, Show: true, Ours: true}, nil, `{"web":true,"iOS":true}`, 0, false, finding.StandbyUnusable},
		{"its endpoint is foreign", tiled("https://evil.example/saml", `{"web":true,"iOS":true}`), idp.Tile{Region: region, Show: true, Ours: true}, nil, `{"web":true,"iOS":true}`, 0, false, finding.ForeignACS},
		{"people show it and have not", tiled(west, `{"web":true,"iOS":true}`), idp.Tile{Region: region, Show: true}, nil, `{"web":true,"iOS":true}`, 0, false, finding.TileByHand},
		{"people show it and have", tiled(west, `{"web":false,"iOS":true}`), idp.Tile{Region: region, Show: true}, nil, `{"web":false,"iOS":true}`, 0, true, ""},
		{"people have shown one that signs in elsewhere", tiled(east, `{"web":false,"iOS":false}`), idp.Tile{Region: region, Show: true}, nil, `{"web":false,"iOS":false}`, 0, true, finding.StandbyUnusable},
		{"the write is dropped", tiled(west, `{"web":true,"iOS":true}`), idp.Tile{Region: region, Show: true, Ours: true}, dropped, `{"web":true,"iOS":true}`, 1, false, finding.NotVisible},
		{"the write changes more", tiled(west, `{"web":true,"iOS":true}`), idp.Tile{Region: region, Show: true, Ours: true}, more, `{"web":false,"iOS":false}`, 1, false, finding.LostUpdate},
		{"hide holds no truth", tiled(west, `{"web":"yes","iOS":true}`), idp.Tile{Region: region, Ours: true}, nil, `{"web":"yes","iOS":true}`, 0, false, "?"},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory(c.raw)
			m.onWrite = c.onWrite
			res, err := idp.StepTile(t.Context(), m, okta.Codec{}, "0oa1", c.tile, idp.Hooks{})
			f, _ := finding.From(err)
			if (err == nil) != (c.code == "") || c.code != "?" && f.Code != c.code {
				t.Errorf("%s: %v", c.why, err)
			}
			hide, _, _ := idp.Get(m.raw, "/visibility/hide")
			if string(hide) != c.after || m.writes != c.writes || res.Already != c.already {
				t.Errorf("%s: hide is %s after %d writes, already %v", c.why, hide, m.writes, res.Already)
			}
			if diff, err := idp.Changed(c.raw, m.raw, []idp.Pointer{"/visibility/hide", "/lastUpdated"}); c.code != finding.LostUpdate && (err != nil || len(diff) > 0) {
				t.Errorf("%s: changed besides: %v %v", c.why, diff, err)
			}
			if c.writes == 0 || c.code != "" {
				return
			}
			if _, err := idp.Undo(t.Context(), m, okta.Codec{}, "0oa1", res.Changes, idp.Hooks{}); err != nil {
				t.Errorf("%s: undo: %v", c.why, err)
			}
			if diff, err := idp.ChangedText(c.raw, m.raw, nil); err != nil || len(diff) > 0 {
				t.Errorf("%s: move and undo change %v %v", c.why, diff, err)
			}
		})
	}
}

// A tenant whose tiles cannot be written says so, and nothing is sent.
func TestStepTileWithoutAbility(t *testing.T) {
	t.Parallel()
	m := newMemory(tiled(west, `{"web":true,"iOS":true}`))
	type plain struct{ idp.Codec } // hides the ability
	_, err := idp.StepTile(t.Context(), m, plain{okta.Codec{}}, "0oa1", idp.Tile{Region: signin.MustRegion("us-west-2"), Show: true, Ours: true}, idp.Hooks{})
	if !finding.Is(err, finding.UnsupportedKind) || m.writes != 0 {
		t.Errorf("%v after %d writes", err, m.writes)
	}
}
