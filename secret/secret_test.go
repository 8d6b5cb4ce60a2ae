package secret

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const marker = "MARKER-5f1c-hunter2"

// leaks prints a value in every way that Go offers and says which ones show
// the marker.
func leaks(v any) []string {
	var out []string
	see := func(how, text string) {
		if strings.Contains(text, marker) {
			out = append(out, how)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		see(verb, fmt.Sprintf(verb, v))
	}
	see("%w", fmt.Errorf("x %v: %w", v, errors.New("y")).Error())
	if b, err := json.Marshal(v); err == nil {
		see("json", string(b))
	}
	if b, err := xml.Marshal(v); err == nil {
		see("xml", string(b))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
	see("slog", log.String())
	return out
}

// spec 15.1
func TestValueNeverShows(t *testing.T) {
	t.Parallel()
	v := New(marker)
	inside := struct {
		Name  string
		Token Value
		Ptr   *Value
		Map   map[string]Value
	}{"x", v, &v, map[string]Value{"k": v}}
	for what, val := range map[string]any{"value": v, "pointer": &v, "struct": inside, "slice": []Value{v}} {
		if l := leaks(val); len(l) > 0 {
			t.Errorf("%s shows the secret by %v", what, l)
		}
	}
	if v.Reveal() != marker {
		t.Error("Reveal does not return the secret")
	}
}

// The saboteur: a type that forgets one way is caught.
func TestLeaksFindsASloppyType(t *testing.T) {
	t.Parallel()
	if l := leaks(struct{ Token string }{marker}); len(l) == 0 {
		t.Fatal("a plain string passes the check")
	}
	if l := leaks(sloppy{marker}); len(l) == 0 {
		t.Fatal("a type with only String passes the check")
	}
}

type sloppy struct{ Text string }

func (sloppy) String() string { return redacted }

// spec 15.1: references name where a secret is, errors never what it is.
func TestResolve(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("token", "  "+marker+"\n")
	write("empty", "\n")
	write("large", strings.Repeat("x", maxFile+1))
	r := Resolver{Env: map[string]string{"TOKEN": marker, "NONE": ""}, Dir: dir}
	for _, ref := range []string{"env:TOKEN", "file:token", "file:" + filepath.Join(dir, "token")} {
		v, err := r.Resolve(ref)
		if err != nil || v.Reveal() != marker {
			t.Errorf("%s: %v", ref, err)
		}
	}
	for ref, want := range map[string]string{
		"env:MISSING": "not set", "env:NONE": "not set", "file:none": "no such file", "file:.": "is a directory",
		"file:empty": "empty", "file:large": "too large", marker: "by reference", "vault:x": "unknown kind", "env:": "by reference",
	} {
		_, err := r.Resolve(ref)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", ref, err, want)
		}
		if err != nil && strings.Contains(err.Error(), marker) {
			t.Errorf("%s: the error shows the text: %v", ref, err)
		}
	}
}
