// Package secret is for values that must never be seen: tokens, keys,
// passwords. A Value prints, logs and encodes as "[redacted]" in every way Go
// knows; only Reveal returns the text, at the place that sends it.
//
// It must never write a secret anywhere, and never import another package of
// this project.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Value carries a secret. The zero value is the empty secret.
type Value struct{ text string }

// New wraps a secret.
func New(text string) Value { return Value{text} }

// Reveal returns the secret itself. Call it only where it goes onto the wire.
func (v Value) Reveal() string { return v.text }

// IsZero reports whether the secret is empty.
func (v Value) IsZero() bool { return v.text == "" }

// String, GoString, Format, LogValue, MarshalText and MarshalJSON hide the text.
func (v Value) String() string { return redacted }

// GoString hides the text in %#v.
func (v Value) GoString() string { return redacted }

// Format hides the text for every verb.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue hides the text in slog.
func (v Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the text in every encoding that uses it.
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON hides the text in JSON.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
