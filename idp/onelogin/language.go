package onelogin

import (
	"encoding/binary"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostSteps bounds the search of outside.
const mostSteps = 1_000_000

// outside returns a text of which pattern matches some part and which does not
// match all of allowed; "" when no such text exists. It walks both expressions
// at once, character by character, so that the answer is exact and not a guess
// by samples. A text that is a URL with https is preferred, because it shows
// best what the matter is. Texts with spaces or control characters are left
// out: no URL has them.
func outside(pattern, allowed string) (string, error) {
	left, err := compile(pattern)
	if err != nil {
		return "", err
	}
	right, err := compile(allowed)
	if err != nil {
		return "", err
	}
	runes := representatives(left, right)
	if text, ok, err := guess(pattern, allowed, left, runes); ok || err != nil {
		return text, err
	}
	s := search{left: left, right: right, runes: runes, steps: mostSteps}
	for _, prefix := range []string{"https://", ""} {
		if text, ok := s.from(prefix); ok || s.steps < 0 {
			return text, s.err()
		}
	}
	return "", nil
}

// guess tries what is wrong with most patterns: that something else may stand
// before or behind what they want. It finds a text for those at once.
func guess(pattern, allowed string, left *syntax.Prog, runes []rune) (text string, ok bool, err error) {
	nothing, err := compile(`[^\x00-\x{10FFFF}]`)
	if err != nil {
		return "", false, err
	}
	s := search{left: left, right: nothing, runes: runes, steps: mostSteps}
	wanted, ok := s.from("")
	if !ok {
		return "", false, s.err() // matches nothing at all, or cannot be judged
	}
	admits, err := regexp.Compile(pattern)
	if err != nil {
		return "", false, err
	}
	harmless, err := regexp.Compile(allowed)
	if err != nil {
		return "", false, err
	}
	for _, text := range []string{"https://foreign.example/" + wanted, wanted + ".foreign.example/", wanted} {
		if strings.HasPrefix(text, "https://") && admits.MatchString(text) && !harmless.MatchString(text) {
			return text, true, nil
		}
	}
	return "", false, nil
}

func (s *search) err() error {
	if s.steps < 0 {
		return errTooMany
	}
	return nil
}

func compile(pattern string) (*syntax.Prog, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return syntax.Compile(tree.Simplify())
}

// search walks the pairs of states of two programs. left matches any part of a
// text, right must match from its start.
type search struct {
	left, right *syntax.Prog
	runes       []rune
	steps       int
}

// state is what both programs have come to after some text.
type state struct {
	left, right []uint32 // instructions reached, sorted
	found       bool     // left has matched some part already
	last        rune     // the kind of the last character, -1 at the start
	text        string
}

// from looks for a text that begins with prefix.
func (s *search) from(prefix string) (string, bool) {
	at := state{left: []uint32{uint32(s.left.Start)}, right: []uint32{uint32(s.right.Start)}, last: -1}
	for _, r := range prefix {
		at = s.next(at, r)
	}
	seen := map[string]bool{at.key(): true}
	if at.dead() {
		return "", false
	}
	for queue := []state{at}; len(queue) > 0 && s.steps >= 0; queue = queue[1:] {
		now := queue[0]
		if s.ends(now) && now.text != "" {
			return now.text, true
		}
		for _, r := range s.runes {
			next := s.next(now, r)
			if next.dead() {
				continue
			}
			if key := next.key(); !seen[key] {
				seen[key] = true
				queue = append(queue, next)
			}
		}
	}
	return "", false
}

// ends reports whether the text so far is one that left finds something in and
// right does not match.
func (s *search) ends(at state) bool {
	_, left := s.closure(s.left, at.left, at.last, -1)
	_, right := s.closure(s.right, at.right, at.last, -1)
	return (at.found || left) && !right
}

// next returns the state after one more character.
func (s *search) next(at state, r rune) state {
	out := state{found: at.found, last: kind(r), text: at.text + string(r)}
	if !out.found {
		reached, matched := s.closure(s.left, at.left, at.last, r)
		out.found = matched
		if !matched {
			out.left = s.consume(s.left, reached, r, true)
		}
	}
	if out.dead() {
		return out
	}
	reached, _ := s.closure(s.right, at.right, at.last, r)
	out.right = s.consume(s.right, reached, r, false)
	return out
}

// dead reports whether left can find nothing any more.
func (at state) dead() bool { return !at.found && len(at.left) == 0 }

// consume returns the instructions after a character; anywhere begins a new
// attempt behind it, unless the program wants to stand at the text's start.
func (s *search) consume(p *syntax.Prog, reached []uint32, r rune, anywhere bool) []uint32 {
	var out []uint32
	for _, pc := range reached {
		s.steps--
		if i := &p.Inst[pc]; takes(i) && i.MatchRune(r) {
			out = append(out, i.Out)
		}
	}
	if anywhere && p.StartCond()&syntax.EmptyBeginText == 0 {
		out = append(out, uint32(p.Start))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// takes reports whether an instruction consumes a character.
func takes(i *syntax.Inst) bool {
	switch i.Op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	}
	return false
}

// closure follows what consumes nothing, between two characters (-1 = the end
// of the text), and says whether a match is reached.
func (s *search) closure(p *syntax.Prog, from []uint32, before, after rune) (reached []uint32, matched bool) {
	holds := syntax.EmptyOpContext(before, after)
	seen := make([]bool, len(p.Inst))
	stack := slices.Clone(from)
	for len(stack) > 0 {
		pc := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		s.steps--
		i := &p.Inst[pc]
		switch i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			stack = append(stack, i.Out, i.Arg)
		case syntax.InstCapture, syntax.InstNop:
			stack = append(stack, i.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(i.Arg)&^holds == 0 {
				stack = append(stack, i.Out)
			}
		case syntax.InstMatch:
			matched = true
		case syntax.InstFail:
		default:
			reached = append(reached, pc)
		}
	}
	return reached, matched
}

// key tells states apart; their texts do not matter.
func (at state) key() string {
	b := make([]byte, 0, 4*(len(at.left)+len(at.right))+16)
	for _, pc := range at.left {
		b = binary.BigEndian.AppendUint32(b, pc)
	}
	b = append(b, "\xff\xff\xff\xff"...)
	for _, pc := range at.right {
		b = binary.BigEndian.AppendUint32(b, pc)
	}
	if at.found {
		b = append(b, 'f')
	}
	return string(utf8.AppendRune(b, at.last+2))
}

// kind keeps of a character what decides about word boundaries.
func kind(r rune) rune {
	if syntax.IsWordChar(r) {
		return 'w'
	}
	return '-'
}

// representatives returns one character for each set that neither program tells
// apart, the readable ones first.
func representatives(progs ...*syntax.Prog) []rune {
	// The bounds of word characters, and of those that no URL holds.
	cuts := []rune{0x21, '0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1, 0x7f, 0xa1, 0xd800, 0xe000, unicode.MaxRune + 1}
	for _, p := range progs {
		for _, i := range p.Inst {
			if !takes(&i) {
				continue
			}
			for n, r := range i.Rune {
				cuts = append(cuts, r, r+1)
				if n == 0 && len(i.Rune) == 1 { // may stand for its other cases too
					for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
						cuts = append(cuts, f, f+1)
					}
				}
			}
		}
	}
	slices.Sort(cuts)
	var out []rune
	for _, r := range slices.Compact(cuts) {
		if r < 0x21 || (r >= 0x7f && r < 0xa1) || (r >= 0xd800 && r < 0xe000) || r > unicode.MaxRune {
			continue
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b rune) int { return rank(a) - rank(b) })
	return out
}

// rank puts letters and digits before other characters.
func rank(r rune) int {
	switch {
	case r >= 'a' && r <= 'z':
		return 0
	case r < 0x7f && syntax.IsWordChar(r):
		return 1
	case r < 0x7f:
		return 2
	}
	return 3
}
