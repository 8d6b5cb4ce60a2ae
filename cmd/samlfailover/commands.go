package main

import "github.com/spf13/cobra"

// commands returns every command in the order in which help shows them.
func commands(p *program) []*cobra.Command {
	return []*cobra.Command{
		newDemo(p), newProbe(p), newCheck(p), newServe(p), newStatus(p), newExplain(p), newPlan(p), newMove(p), newTrust(p), newAudit(p), newSandbox(p), newEndpoints(p), newVersion(p),
	}
}
