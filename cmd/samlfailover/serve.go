package main

import (
	"log/slog"

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
goes to standard error. It runs until interrupted.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.setup(p, slog.LevelInfo)
			if err != nil {
				return err
			}
			p.warnings(s.Config)
			svc, err := app.New(app.Options{Setup: s, Version: buildVersion().Version, Ready: func(socket string) {
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
