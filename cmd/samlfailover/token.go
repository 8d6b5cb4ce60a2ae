package main

import (
	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/people"
)

func newToken(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Tokens with which people and machines prove who they are",
		Long: `A token lets in whom the config says: a person (people), or a machine or several people
(tokens). The config holds only its digest.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenNew(p))
	return cmd
}

// tokenMade is what token new prints.
type tokenMade struct {
	Token  string        `json:"token"`
	Digest people.Digest `json:"digest"`
	For    string        `json:"for"`
	Shared bool          `json:"shared,omitempty"`
}

func newTokenNew(p *program) *cobra.Command {
	var who string
	var shared bool
	cmd := &cobra.Command{
		Use:   "new --for NAME",
		Short: "Make a token: shown once, its digest goes into the config",
		Long: `new makes a token from 256 random bits and prints it, once: give it to the person over a
way that only they read. Its digest, which tells nothing about it, goes into the config.
It works as soon as the config was read again, also when Slack and every identity provider
are down; to take it away, remove the digest. It reads no config and asks nobody.

A token begins with sfo_ and ends with a checksum, so that secret scanners find a leaked one.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			if who == "" {
				return usagef("name whom the token is for: --for NAME")
			}
			if !isName(who) {
				return usagef("--for %.60q is no name: letters, digits, dot, dash and underscore, at most 63", who)
			}
			token := people.NewToken()
			made := tokenMade{Token: token, Digest: people.DigestOf(token), For: who, Shared: shared}
			if p.json() {
				return p.printJSON(made)
			}
			p.line("%s", made.Token)
			p.line("")
			p.line("This is shown once and kept nowhere. The digest goes into the config:")
			p.line("")
			if shared {
				p.line("tokens:")
				p.line("  - name: %s", who)
				p.line("    roles: [{role: operator}]   # viewer or operator: a shared token never approves")
			} else {
				p.line("people:")
				p.line("  - name: %s", who)
				p.line("    roles: [{role: approver}]   # viewer, operator, approver or admin")
			}
			p.line("    tokens: [%q]", made.Digest)
			return nil
		},
	}
	cmd.Flags().StringVar(&who, "for", "", "the `NAME` of the person, or with --shared of the machine")
	cmd.Flags().BoolVar(&shared, "shared", false, "for a machine, or for several people: it can ask, and never approve")
	return cmd
}

// isName reports whether a text has the shape of a name in the config.
func isName(text string) bool {
	for i, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || r != '.' && r != '-' && r != '_') {
			return false
		}
	}
	return len(text) <= 63
}
