package main

import (
	"github.com/spf13/cobra"
)

// commandGroup is a heading of the help with its commands, which cobra shows
// in the order of the alphabet.
type commandGroup struct {
	title    string
	commands []*cobra.Command
}

// commandGroups returns every command, grouped by when one needs it.
func commandGroups(p *program) []commandGroup {
	return []commandGroup{
		{"See it work, on this machine alone", []*cobra.Command{newDemo(p), newSandbox(p)}},
		{"Look, without any config", []*cobra.Command{newProbe(p), newEndpoints(p), newVersion(p)}},
		{"Prepare, in calm times", []*cobra.Command{newCheck(p), newIdP(p), newTrust(p), newReadiness(p), newRunbook(p), newToken(p), newNotify(p)}},
		{"Watch and move", []*cobra.Command{newServe(p), newStatus(p), newExplain(p), newPlan(p), newMove(p), newUndo(p), newFullRestore(p), newSchedule(p)}},
		{"Decide on what others propose", []*cobra.Command{newProposals(p), newApprove(p), newReject(p)}},
		{"Hold it back", []*cobra.Command{newPause(p), newResume(p), newLock(p), newUnlock(p)}},
		{"Look back", []*cobra.Command{newHistory(p), newAudit(p)}},
		{"Keep what it knows", []*cobra.Command{newStore(p)}},
	}
}

// newHelp is cobra's help command with an error for a command that is not there.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Help about a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || target == nil {
				return unknownCommand(cmd.Root(), args[0])
			}
			if len(rest) > 0 {
				return unknownCommand(target, rest[0])
			}
			target.InitDefaultHelpFlag()
			return target.Help()
		},
	}
}
