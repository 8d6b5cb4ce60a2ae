package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/signin"
)

func newEndpoints(p *program) *cobra.Command {
	var partition string
	c := &cobra.Command{
		Use:   "endpoints",
		Short: "List the compiled catalogue of sign-in endpoints",
		Long: `endpoints lists every Region that has a SAML sign-in endpoint: the ACS URL, the
console and the Regional STS. Only these can ever be written into an app or a
trust policy. What nobody could verify is marked.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return listEndpoints(p, signin.Partition(partition)) },
	}
	c.Flags().StringVar(&partition, "partition", "", "only this `PARTITION` (aws, aws-us-gov, aws-cn, ...)")
	return c
}

type endpointLine struct {
	Partition  signin.Partition `json:"partition"`
	Region     signin.Region    `json:"region"`
	ACS        string           `json:"acs"`
	Console    string           `json:"console,omitempty"`
	STS        string           `json:"sts"`
	OptIn      bool             `json:"opt_in"`
	Unverified []string         `json:"unverified,omitempty"`
}

func listEndpoints(p *program, only signin.Partition) error {
	if only != "" && len(signin.Regions(only, true)) == 0 {
		return usagef("--partition %q: have %s", only, partitionNames())
	}
	rows := [][]string{{"REGION", "PARTITION", "SIGN-IN ENDPOINT (ACS)", "OPT-IN", "NOT VERIFIED"}}
	for _, e := range signin.Catalogue() {
		if only != "" && e.Partition != only {
			continue
		}
		acs, err := e.Region.ACS("")
		if err != nil {
			return err
		}
		l := endpointLine{e.Partition, e.Region, acs.String(), "", "https://" + e.STSHost, e.OptIn, e.Unverified}
		if e.ConsoleHost != "" {
			l.Console = "https://" + e.ConsoleHost + "/"
		}
		if p.json() {
			if err := p.printJSON(l); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{e.Region.String(), string(e.Partition), l.ACS, yes(e.OptIn), strings.Join(e.Unverified, "; ")})
	}
	if !p.json() {
		p.table(rows)
	}
	return nil
}

func partitionNames() string {
	var names []string
	for _, x := range signin.Partitions() {
		names = append(names, string(x))
	}
	return strings.Join(names, ", ")
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
