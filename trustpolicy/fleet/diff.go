package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// diffContext is how many equal lines stand around a change.
const diffContext = 3

// Diff returns the change between two policies for people: a unified diff of
// their indented forms, or "" when those are equal.
func Diff(name, before, after string) string {
	a, b := lines(before), lines(after)
	ops := script(a, b)
	var out strings.Builder
	for i := 0; i < len(ops); i++ {
		if ops[i].sign == ' ' {
			continue
		}
		from, to := hunk(ops, i)
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s (now)\n+++ %s (planned)\n", name, name)
		}
		writeHunk(&out, ops[from:to])
		i = to - 1
	}
	return out.String()
}

type lineOp struct {
	sign byte // ' ', '-' or '+'
	text string
	a, b int // line numbers before and after, from 1
}

// lines indents JSON; other text is taken line by line.
func lines(text string) []string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") == nil {
		text = b.String()
	}
	return strings.Split(text, "\n")
}

// hunk widens a change by its context and takes in changes close by.
func hunk(ops []lineOp, i int) (from, to int) {
	from, to = max(0, i-diffContext), i+1
	for quiet, j := 0, i+1; j < len(ops) && quiet <= 2*diffContext; j++ {
		if quiet++; ops[j].sign != ' ' {
			quiet, to = 0, j+1
		}
	}
	return from, min(len(ops), to+diffContext)
}

func writeHunk(out *strings.Builder, ops []lineOp) {
	var na, nb int
	for _, o := range ops {
		if o.sign != '+' {
			na++
		}
		if o.sign != '-' {
			nb++
		}
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", ops[0].a, na, ops[0].b, nb)
	for _, o := range ops {
		fmt.Fprintf(out, "%c%s\n", o.sign, o.text)
	}
}

// script is the shortest edit script by longest common subsequence. Common
// beginnings and ends are taken off first; policies are small.
func script(a, b []string) []lineOp {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	common := table(a[head:len(a)-tail], b[head:len(b)-tail])
	var out []lineOp
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		inside := i >= head && j >= head && (i < len(a)-tail || j < len(b)-tail)
		switch {
		case !inside || (i < len(a)-tail && j < len(b)-tail && a[i] == b[j]):
			out = append(out, lineOp{' ', a[i], i + 1, j + 1})
			i++
			j++
		case j >= len(b)-tail || (i < len(a)-tail && common[i-head+1][j-head] >= common[i-head][j-head+1]):
			out = append(out, lineOp{'-', a[i], i + 1, j + 1})
			i++
		default:
			out = append(out, lineOp{'+', b[j], i + 1, j + 1})
			j++
		}
	}
	return out
}

// table[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
func table(a, b []string) [][]int {
	out := make([][]int, len(a)+1)
	for i := range out {
		out[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				out[i][j] = out[i+1][j+1] + 1
			} else {
				out[i][j] = max(out[i+1][j], out[i][j+1])
			}
		}
	}
	return out
}
