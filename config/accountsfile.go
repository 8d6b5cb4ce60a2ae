package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// fileLines is what the lines of an included file count from, a multiple of it
// for each file, so that a place in the one tree tells its file too. It is more
// than a file has bytes.
const fileLines = 10 * maxFile

// included are the files that lists came from, in order: as they are shown, and
// where they are.
type included struct{ shown, paths []string }

// place says which file a place in the tree is in, and where there.
func (in included) place(main string, p Pos) (string, Pos) {
	i := p.Line/fileLines - 1
	if i < 0 || i >= len(in.shown) {
		return main, p
	}
	return in.shown[i], Pos{p.Line % fileLines, p.Column}
}

// settle gives each problem the file that it is in.
func (in included) settle(problems []Problem) {
	for i, p := range problems {
		problems[i].File, problems[i].Pos = in.place(p.File, p.Pos)
	}
}

// include puts what the accounts_file of each federation lists behind what stands
// under its accounts. What cannot be included is a problem of the decoder.
func (d *decoder) include(tree *yaml.Node, dir string) {
	feds := valueOf(tree, "federations")
	if feds == nil || feds.Kind != yaml.SequenceNode {
		return
	}
	for i, f := range feds.Content {
		path := fmt.Sprintf("federations[%d].accounts_file", i)
		n := valueOf(f, "accounts_file")
		if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
			continue // what is wrong with it the decoder says
		}
		if strings.HasPrefix(n.Value, "~") {
			d.refuse(n, path, "~ is not understood here", "write the path out, or relative to this file")
			continue
		}
		name, shown := n.Value, n.Value
		if !filepath.IsAbs(name) {
			name, shown = filepath.Join(dir, name), filepath.Join(filepath.Dir(d.file), name)
		}
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			d.refuse(n, path, shown+" is no file", "name a file with a list of accounts")
			continue
		}
		d.included.shown, d.included.paths = append(d.included.shown, shown), append(d.included.paths, name)
		list, bad := readList(name, shown)
		if bad != nil {
			d.problems = append(d.problems, *bad)
			continue
		}
		shift(list, len(d.included.shown)*fileLines)
		addAccounts(f, n, list)
	}
}

// readList reads a file that holds one list.
func readList(path, shown string) (*yaml.Node, *Problem) {
	data, err := readFile(path)
	if err != nil {
		var why *Error
		if !errors.As(err, &why) || len(why.Problems) != 1 {
			return nil, &Problem{File: shown, Message: "cannot be read: " + err.Error(), Remedy: "check the file"}
		}
		p := why.Problems[0]
		p.File = shown
		return nil, &p
	}
	list, bad := readTree(shown, data)
	switch {
	case bad != nil && strings.HasPrefix(bad.Message, "is empty"):
		bad.Remedy = "list accounts in it, or remove accounts_file"
		return nil, bad
	case bad != nil:
		return nil, bad
	case list.Kind != yaml.SequenceNode:
		d := newDecoder(shown)
		d.refuse(list, "", "is not a list of accounts", "begin each account with a dash, as under accounts: - id: \"111122223333\"")
		return nil, &d.problems[0]
	}
	return list, nil
}

// shift moves every place of a tree.
func shift(n *yaml.Node, lines int) {
	n.Line += lines
	for _, c := range n.Content {
		shift(c, lines)
	}
}

// addAccounts puts a list behind the accounts of a federation. What an anchor
// stands for is copied: others may use it.
func addAccounts(f, at, list *yaml.Node) {
	own := valueOf(f, "accounts")
	for own != nil && own.Kind == yaml.AliasNode {
		own = own.Alias
	}
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: at.Line, Column: at.Column}
	if own != nil {
		if own.Kind != yaml.SequenceNode {
			return // refused for that
		}
		out.Line, out.Column = own.Line, own.Column
		out.Content = append(out.Content, own.Content...)
	}
	out.Content = append(out.Content, list.Content...)
	set(f, "accounts", out)
}
