package idp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Changed compares two JSON documents by meaning and returns a pointer to every
// value that differs, in document order; a key that is absent on one side is
// named itself, an array of another length as a whole. Pointers in volatile,
// and everything below them, are left out.
//
// The order of keys, white space and string escapes mean nothing; the order of
// an array does; null, an absent key and an empty value are three things.
// Numbers are equal when they are the same decimal number: a vendor may store
// our 1.0 and answer 1. No float is involved, so no digit is lost. What we send
// keeps the vendor's own text: ChangedText tells such forms apart.
func Changed(before, after json.RawMessage, volatile []Pointer) ([]Pointer, error) {
	return compare(before, after, volatile, decimal)
}

// ChangedText is Changed with numbers compared as they are written: 1.0 and 1
// differ.
func ChangedText(before, after json.RawMessage, volatile []Pointer) ([]Pointer, error) {
	return compare(before, after, volatile, func(b []byte) string { return string(b) })
}

func compare(before, after json.RawMessage, volatile []Pointer, number func([]byte) string) ([]Pointer, error) {
	a, err := Parse(before)
	if err != nil {
		return nil, fmt.Errorf("compare, first document: %w", err)
	}
	b, err := Parse(after)
	if err != nil {
		return nil, fmt.Errorf("compare, second document: %w", err)
	}
	c := comparison{volatile: volatile, number: number}
	c.values("", a, b)
	return c.out, nil
}

type comparison struct {
	volatile []Pointer
	number   func([]byte) string
	out      []Pointer
}

func (c *comparison) values(at Pointer, a, b Value) {
	if slices.ContainsFunc(c.volatile, at.Within) {
		return
	}
	if a.node.kind != b.node.kind {
		c.out = append(c.out, at)
		return
	}
	switch a.node.kind {
	case '{':
		c.objects(at, a, b)
	case '[':
		c.arrays(at, a, b)
	case '"':
		if !bytes.Equal(a.Raw(), b.Raw()) && unquote(a.Raw()) != unquote(b.Raw()) {
			c.out = append(c.out, at)
		}
	case '0':
		if c.number(a.Raw()) != c.number(b.Raw()) {
			c.out = append(c.out, at)
		}
	}
}

func (c *comparison) objects(at Pointer, a, b Value) {
	for _, m := range a.node.members {
		if other := b.node.child(m.key); other != nil {
			c.values(at.Child(m.key), Value{a.text, m.value}, Value{b.text, other})
		} else {
			c.differs(at.Child(m.key))
		}
	}
	for _, m := range b.node.members {
		if a.node.member(m.key) < 0 {
			c.differs(at.Child(m.key))
		}
	}
}

func (c *comparison) arrays(at Pointer, a, b Value) {
	if len(a.node.items) != len(b.node.items) {
		c.out = append(c.out, at)
		return
	}
	for i := range a.node.items {
		c.values(at.Child(strconv.Itoa(i)), Value{a.text, a.node.items[i]}, Value{b.text, b.node.items[i]})
	}
}

// differs notes a pointer unless it is volatile.
func (c *comparison) differs(at Pointer) {
	if !slices.ContainsFunc(c.volatile, at.Within) {
		c.out = append(c.out, at)
	}
}

// decimal returns one text for every way to write the same decimal number:
// sign, digits without zeros at either end, power of ten. Zero has no sign. An
// exponent beyond nine digits is compared as it is written.
func decimal(raw []byte) string {
	text := strings.ToLower(string(raw))
	mantissa, exponent, _ := strings.Cut(text, "e")
	power := 0
	if exponent != "" {
		n, err := strconv.Atoi(exponent)
		if err != nil || len(exponent) > 10 {
			return text
		}
		power = n
	}
	digits, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	short := strings.TrimRight(digits, "0")
	if short == "" {
		return "0"
	}
	power += len(digits) - len(short) - len(fraction)
	sign := ""
	if negative {
		sign = "-"
	}
	return sign + short + "e" + strconv.Itoa(power)
}
