package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/people"
)

// configured are the flags of commands that need a config and perhaps one of
// its federations.
type configured struct {
	path       string
	federation string
	server     string // URL of a controller on another machine, "" for the local one
}

// remote adds the flag of commands that ask a controller.
func (c *configured) remote(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.server, "server", "", "`URL` of a controller to ask over the network, with $SAMLFAILOVER_TOKEN")
}

func (c *configured) flags(cmd *cobra.Command, withFederation bool) {
	cmd.Flags().StringVarP(&c.path, "config", "c", "", "config `FILE` (default: $SAMLFAILOVER_CONFIG, then ./samlfailover.yaml)")
	if withFederation {
		cmd.Flags().StringVar(&c.federation, "federation", "", "`NAME` of the federation; may be left out while the config has exactly one")
	}
}

// load finds and checks the config.
func (c *configured) load(p *program) (*config.Config, error) {
	path, err := config.Find(c.path, p.Env)
	if err != nil {
		return nil, err
	}
	return config.Load(path, config.Options{})
}

// setup loads the config and warns about its doubts.
func (c *configured) setup(p *program, level slog.Level) (app.Setup, error) {
	cfg, err := c.load(p)
	if err != nil {
		return app.Setup{}, err
	}
	return app.Setup{Config: cfg, Env: p.Env, Log: p.logger(level)}, nil
}

func (p *program) warnings(cfg *config.Config) {
	for _, w := range cfg.Warnings {
		fmt.Fprintln(p.Err, "warning: "+escape.Terminal(w.String()))
	}
}

// osUser is the actor of commands that act without a controller.
func osUser() control.Actor {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return people.Local(name, people.CLI)
}
