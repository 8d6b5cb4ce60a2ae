package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/sandbox/admin"
)

func newSandboxAlert(p *program) *cobra.Command {
	var page, fire, end string
	var redeliver bool
	var ack, resolve int
	c := &cobra.Command{
		Use:   "alert",
		Short: "What the running sandbox was told, and alerts that call the hooks",
		Long: `alert shows the incidents of the simulated PagerDuty, the notifications that the company's
webhook got, and the webhooks that PagerDuty has sent to the controller of the written
config. With a flag it first has PagerDuty or Alertmanager do something, as another
monitoring system or a person on call would.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []admin.AlertRequest
			add := func(given bool, r admin.AlertRequest) {
				if given {
					all = append(all, r)
				}
			}
			add(page != "", admin.AlertRequest{Do: admin.DoPage, Text: page})
			add(ack > 0, admin.AlertRequest{Do: admin.DoAck, Number: ack})
			add(resolve > 0, admin.AlertRequest{Do: admin.DoResolve, Number: resolve})
			add(redeliver, admin.AlertRequest{Do: admin.DoRedeliver})
			add(fire != "", admin.AlertRequest{Do: admin.DoFire, Text: fire})
			add(end != "", admin.AlertRequest{Do: admin.DoClear, Text: end})
			if len(all) > 1 {
				return usagef("one thing at a time: --page, --ack, --resolve, --redeliver, --fire or --clear")
			}
			return p.withSandbox(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				out, err := c.Alerting(ctx)
				if len(all) == 1 {
					out, err = c.Alert(ctx, all[0])
				}
				if err != nil {
					return err
				}
				return p.showAlerting(out)
			})
		},
	}
	c.Flags().StringVar(&page, "page", "", "open an incident in PagerDuty with this `TITLE`")
	c.Flags().IntVar(&ack, "ack", 0, "acknowledge the incident of this `NUMBER`")
	c.Flags().IntVar(&resolve, "resolve", 0, "resolve the incident of this `NUMBER`")
	c.Flags().BoolVar(&redeliver, "redeliver", false, "send PagerDuty's last webhook again, the same bytes: the controller refuses it")
	c.Flags().StringVar(&fire, "fire", "", "have the alert of this `NAME` of Alertmanager fire")
	c.Flags().StringVar(&end, "clear", "", "have the alert of this `NAME` end")
	return c
}

func (p *program) showAlerting(a admin.Alerting) error {
	if p.json() {
		return p.printJSON(a)
	}
	if a.Answer != "" {
		p.line("The controller answered: %s", escape.Terminal(strings.TrimSpace(a.Answer)))
	}
	rows := [][]string{{"INCIDENT", "STATUS", "KEY", "TITLE"}}
	for _, i := range a.Incidents {
		rows = append(rows, []string{strconv.Itoa(i.Number), string(i.Status), escape.Terminal(i.Key), escape.Terminal(i.Title)})
	}
	p.table(rows)
	p.line("")
	rows = [][]string{{"WEBHOOK SENT", "ANSWER"}}
	for _, d := range a.Deliveries {
		rows = append(rows, []string{d.Type, strconv.Itoa(d.Status)})
	}
	p.table(rows)
	p.line("")
	rows = [][]string{{"TOLD THE COMPANY", "SEVERITY", "TITLE"}}
	for _, m := range a.Messages {
		rows = append(rows, []string{escape.Terminal(m.Event), escape.Terminal(m.Severity), escape.Terminal(m.Title)})
	}
	p.table(rows)
	return nil
}
