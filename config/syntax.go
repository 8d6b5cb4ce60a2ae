package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"

	"github.com/samlfailover/samlfailover/finding"
)

// readTree turns the file's bytes into a YAML tree; a nil tree comes with one
// problem.
func readTree(file string, data []byte) (*yaml.Node, *Problem) {
	fail := func(at Pos, message, remedy string) (*yaml.Node, *Problem) {
		return nil, &Problem{File: file, Pos: at, Message: message, Remedy: remedy, Code: finding.ConfigInvalid}
	}
	if len(data) > maxFile {
		return fail(Pos{}, fmt.Sprintf("is larger than %d bytes", maxFile), "split the accounts over several federations' controllers, or check that this is the config")
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if at, what := oddByte(data); what != "" {
		return fail(at, what, "write the file as plain UTF-8 text")
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return fail(Pos{}, "cannot be read as YAML", "check the file")
	}
	var tree, second yaml.Node
	if err := loader.Load(&tree); err != nil {
		if errors.Is(err, io.EOF) {
			return fail(Pos{}, "is empty", "write a config, or make one with: samlfailover sandbox --dir DIR")
		}
		at, message, remedy := plainSyntax(err)
		return fail(at, message, remedy)
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return fail(Pos{second.Line, second.Column}, "a second YAML document starts here (---)", "keep one document per file")
	case !errors.Is(err, io.EOF):
		at, message, remedy := plainSyntax(err)
		return fail(at, message, remedy)
	}
	if tree.Kind != yaml.DocumentNode || len(tree.Content) != 1 {
		return fail(Pos{1, 1}, "is not a YAML document", "check the file")
	}
	return tree.Content[0], nil
}

// oddByte finds the first byte that no config needs and that could hide
// something on a terminal: broken UTF-8 and control characters.
func oddByte(data []byte) (Pos, string) {
	at := Pos{1, 1}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			return at, "a byte is not valid UTF-8"
		case r == '\n':
			at = Pos{at.Line + 1, 0}
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f, r >= 0x80 && r < 0xa0, r == 0xfeff:
			return at, fmt.Sprintf("a control character (U+%04X) stands here", r)
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029:
			return at, fmt.Sprintf("an invisible character (U+%04X) that reorders text or breaks lines stands here", r)
		}
		at.Column++
		i += size
	}
	return Pos{}, ""
}

// plainSyntax puts a YAML error into plain words. The library's own text is
// never passed on: it quotes the file, and what stands there may be a secret.
func plainSyntax(err error) (at Pos, message, remedy string) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return Pos{}, "is not valid YAML", "check the file with a YAML linter"
	}
	at = Pos{e.Mark.Line, e.Mark.Column}
	for _, k := range []struct {
		has, message, remedy string
		context              bool // the mistake is where the construct began
	}{
		{"tab character", "a tab stands where only spaces may indent", "replace tabs by spaces", false},
		{"cannot start any token", "a value cannot start with this character", "put the value in quotes", false},
		{"mapping values are not allowed", "a colon stands where no key can be", "check the indentation, and quote values that hold a colon and a space", false},
		{"unknown anchor", "an alias (a word starting with *) names no anchor above it", "quote the text if the * belongs to it", false},
		{"end of stream", "a quoted text starts here and never ends", "close the quotes", true},
		{"unknown escape", "an unknown escape stands in a double-quoted text", `write \\ for a backslash, or use single quotes`, false},
		{"did not find expected ',' or", "a list or mapping in brackets is not closed", "add the closing bracket or the comma", true},
		{"expected node content", "a value is missing before this character", "write it, or quote the text", false},
		{"did not find expected", "the indentation does not fit what stands above", "align the keys of one mapping, and the dashes of one list", false},
		{"could not find expected ':'", "a key has no colon", "write key: value", true},
		{"max depth", "is nested too deeply", "check the brackets", false},
	} {
		if strings.Contains(e.Message, k.has) {
			if k.context && e.ContextMark.Line > 0 {
				at = Pos{e.ContextMark.Line, e.ContextMark.Column}
			}
			return at, k.message, k.remedy
		}
	}
	return at, "this is not valid YAML", "check quotes, brackets and indentation"
}
