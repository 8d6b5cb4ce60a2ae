package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"
)

// kindOf names what a node is, in plain words and without its text.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	case "!!timestamp":
		return "a date"
	}
	return "text"
}

// quote shows a value of the file, escaped (spec 13.7) and cut.
func quote(text string) string {
	if len(text) > 120 {
		text = text[:120] + "..."
	}
	return strconv.Quote(text)
}

// sentence returns the first sentence of a description, to be used as a remedy.
func sentence(doc string) string {
	first, _, _ := strings.Cut(doc, ". ")
	return "expected here: " + strings.TrimSuffix(first, ".")
}

func items(n int) string {
	if n == 1 {
		return "1 item"
	}
	return fmt.Sprintf("%d items", n)
}

func setBool(n *yaml.Node, v reflect.Value) (message, remedy string) {
	switch n.Value {
	case "true":
		v.SetBool(true)
	case "false":
		v.SetBool(false)
	default:
		return "expected true or false, found " + kindOf(n), "write true or false"
	}
	return "", ""
}

func setInt(n *yaml.Node, f field, v reflect.Value) (message, remedy string) {
	x, err := strconv.Atoi(n.Value)
	if err != nil {
		return "expected a whole number, found " + kindOf(n), "write digits only"
	}
	low, _ := strconv.Atoi(f.min)
	high, _ := strconv.Atoi(f.max)
	if x < low || x > high {
		return fmt.Sprintf("%d is outside %s to %s", x, f.min, f.max), "choose a number between the two"
	}
	v.SetInt(int64(x))
	return "", ""
}

func setFloat(n *yaml.Node, f field, v reflect.Value) (message, remedy string) {
	x, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || math.IsNaN(x) || strings.ContainsAny(n.Value, "xXpP_") {
		return "expected a number, found " + kindOf(n), "write it as 0.95"
	}
	low, _ := strconv.ParseFloat(f.min, 64)
	high, _ := strconv.ParseFloat(f.max, 64)
	if x < low || x > high {
		return fmt.Sprintf("%v is outside %s to %s", x, f.min, f.max), "choose a number between the two"
	}
	v.SetFloat(x)
	return "", ""
}

func setDuration(n *yaml.Node, f field, v reflect.Value) (message, remedy string) {
	if n.Tag == "!!int" || n.Tag == "!!float" {
		return "a duration needs a unit", "write it as 30s, 10m or 24h"
	}
	x, err := time.ParseDuration(n.Value)
	if err != nil {
		return quote(n.Value) + " is not a duration", "write it as 30s, 10m or 24h"
	}
	low, _ := time.ParseDuration(f.min)
	high, _ := time.ParseDuration(f.max)
	if x < low || x > high {
		return fmt.Sprintf("%s is outside %s to %s", n.Value, f.min, f.max), "choose a duration between the two"
	}
	v.SetInt(int64(x))
	return "", ""
}

// Day is a day of the calendar, as 2026-11-21.
type Day string

// UnmarshalText accepts a day that there is.
func (d *Day) UnmarshalText(b []byte) error {
	if _, err := time.Parse(time.DateOnly, string(b)); err != nil {
		return errors.New("this is not a day of the calendar; write it as 2026-11-21")
	}
	*d = Day(b)
	return nil
}
