package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
)

func newServe(p *program) *cobra.Command {
	var c configured
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the controller",
		Long: `serve probes the Regions of every federation, reads the apps, decides, and (in mode
auto) moves. It answers the other commands on a socket in its data folder. The log
goes to standard error. It runs until interrupted.

It reads its config again when the file changes, and on SIGHUP (which also reads secrets
and CA files again). The new config is checked first and taken whole, between moves; one
with an error is refused, and status says why. Where state is kept needs a restart.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.setup(p, slog.LevelInfo)
			if err != nil {
				return err
			}
			p.warnings(s.Config)
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			svc, err := app.New(app.Options{Setup: s, Version: buildVersion().Version, Reload: hangup, Ready: func(socket string) {
				s.Log.Info("ready", "socket", socket)
			}})
			if err != nil {
				return err
			}
			return svc.Run(cmd.Context())
		},
	}
	c.flags(cmd, false)
	return cmd
}
