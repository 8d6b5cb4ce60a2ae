package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// noArguments refuses words that are no flags: for a command with commands
// below it, the word was meant to be one of those.
func noArguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return unknownCommand(cmd, args[0])
	}
	return usagef("%q: %s takes flags only; see: %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
}

// unknownCommand names the commands that may have been meant.
func unknownCommand(cmd *cobra.Command, word string) error {
	meant := ";"
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(word); len(like) > 0 {
		meant = `; did you mean "` + strings.Join(like, `" or "`) + `"?`
	}
	return usagef("no command %q in %q%s see: %s --help", word, cmd.CommandPath(), meant, cmd.CommandPath())
}

// misread replaces cobra's complaint about a flag where the real mistake stands
// before it: a command that does not exist takes no flags at all.
func misread(cmd *cobra.Command, err error) error {
	if words := cmd.Flags().Args(); cmd.HasSubCommands() && len(words) > 0 {
		return unknownCommand(cmd, words[0])
	}
	return err
}

// oneArgument wants exactly one word, which what describes: "the ID of a proposal".
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s needs %s; see: %s --help", cmd.CommandPath(), what, cmd.CommandPath())
		}
		return tooMany(cmd, args[1:], what)
	}
}

// maybeOne takes one word or none.
func maybeOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return tooMany(cmd, args[min(1, len(args)):], what) }
}

func tooMany(cmd *cobra.Command, rest []string, what string) error {
	if len(rest) == 0 {
		return nil
	}
	return usagef("%q is one word too many: %s takes %s and flags, and a text of several words stands in quotes; see: %s --help", rest[0], cmd.CommandPath(), what, cmd.CommandPath())
}
