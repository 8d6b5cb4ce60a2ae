package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/samlfailover/samlfailover/demo"
)

func newDemo(p *program) *cobra.Command {
	var o demo.Options
	var partition string
	c := &cobra.Command{
		Use:   "demo",
		Short: "The whole story on this machine: an outage, the move, real logins, the way back",
		Long: `demo makes a simulated AWS, Okta, PingOne and OneLogin on this machine, runs the
controller in it, takes the home Region down (us-east-1), and shows what happens to six
apps and to the people who sign in through them. Nothing outside is touched. Exit code 0
only if every check of the story held.

With --output json there is one object per line, the last one the summary.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelError + 4 // the story tells what happens; the log only with --verbose
			var err error
			if o.Partition, err = sandboxPartition(partition); err != nil {
				return err
			}
			o.Out, o.JSON, o.Version, o.Log, o.Width = p.Out, p.json(), buildVersion().Version, p.logger(level), p.width()
			sum, err := demo.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if !sum.OK {
				return quietly(exitFailed)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&o.Keep, "keep", false, "leave the world and the controller running, and say how to use them")
	c.Flags().BoolVar(&o.Fast, "fast", false, "probe more often, so that the story takes less time")
	c.Flags().StringVar(&partition, "partition", "aws", "the `PARTITION` of the story: aws or aws-us-gov")
	return c
}

// width of the terminal, 100 where there is none.
func (p *program) width() int {
	if f, ok := p.Out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w >= 60 {
			return min(w, 140)
		}
	}
	return 100
}
