package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// examples are lines to copy at three in the morning, by the command that they
// are shown under. The placeholders are ids as the program makes them.
func examples() map[string]string {
	return map[string]string{
		"samlfailover status":        "samlfailover status\nsamlfailover status --output json",
		"samlfailover explain":       "samlfailover explain\nsamlfailover explain --region us-east-1",
		"samlfailover plan":          "samlfailover plan --to us-west-2",
		"samlfailover move":          "samlfailover move --to us-west-2 --reason \"INC-4711: sign-in in us-east-1 is down\"\nsamlfailover move --to us-west-2 --reason \"drill\" --dry-run",
		"samlfailover undo":          "samlfailover undo --reason \"us-east-1 is back\"\nsamlfailover undo 20261127-070124-jmbz7n --reason \"the wrong Region\"",
		"samlfailover restore":       "samlfailover restore --full --app aws-prod --move 20261127-070124-jmbz7n --reason \"mend\" --dry-run",
		"samlfailover proposals":     "samlfailover proposals\nsamlfailover proposals --all",
		"samlfailover approve":       "samlfailover approve prop-hqy6fvqd --comment \"seen it, go\"",
		"samlfailover reject":        "samlfailover reject prop-hqy6fvqd --reason \"not today\"",
		"samlfailover pause":         "samlfailover pause --reason \"we work by hand, INC-4711\" --for 2h",
		"samlfailover resume":        "samlfailover resume\nsamlfailover resume --all",
		"samlfailover lock":          "samlfailover lock --app \"AWS Production\" --reason \"its owner edits it today\" --for 8h",
		"samlfailover history":       "samlfailover history\nsamlfailover history 20261127-070124-jmbz7n",
		"samlfailover readiness":     "samlfailover readiness --region us-west-2 --why not-ready",
		"samlfailover probe":         "samlfailover probe\nsamlfailover probe --region us-west-2 --explain",
		"samlfailover check":         "samlfailover check -c samlfailover.yaml",
		"samlfailover serve":         "samlfailover serve -c /etc/samlfailover/samlfailover.yaml",
		"samlfailover trust plan":    "samlfailover trust plan -o plan.json\nsamlfailover trust plan --format terraform",
		"samlfailover trust apply":   "samlfailover trust apply plan.json --max-roles 5 --ticket CHG-4711",
		"samlfailover trust explain": "samlfailover trust explain arn:aws:iam::111122223333:role/Admin --region us-west-2",
		"samlfailover store backup":  "samlfailover store backup /mnt/backups/samlfailover.backup",
		"samlfailover audit list":    "samlfailover audit list --since 24h --action move",
		"samlfailover audit bundle":  "samlfailover audit bundle --from 24h --out incident.zip",
	}
}

// exemplify puts the examples below the texts of the commands.
func exemplify(root *cobra.Command) {
	all := examples()
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if lines, ok := all[c.CommandPath()]; ok {
			c.Long = strings.TrimRight(c.Long, "\n") + "\n\nExamples:\n  " + strings.ReplaceAll(lines, "\n", "\n  ")
		}
		for _, below := range c.Commands() {
			visit(below)
		}
	}
	visit(root)
}
