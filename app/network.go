package app

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// Setup is what the outer world hands to the wiring: the checked config, the
// environment as read once at start, and the log.
type Setup struct {
	Config *config.Config
	Env    map[string]string
	Log    *slog.Logger
}

// Bare builds the network of a command that runs without a config: proxy and
// CAs as the environment names them.
func Bare(env map[string]string, log *slog.Logger) (*outbound.Network, error) {
	return outbound.New(outbound.Settings{Env: env, Logger: log})
}

// open resolves the config's secrets and builds its network.
func (s Setup) open() (config.Secrets, *outbound.Network, error) {
	secrets, err := s.Config.Resolve(secret.Resolver{Env: s.Env, Dir: s.Config.Dir()})
	if err != nil {
		return config.Secrets{}, nil, err
	}
	ca := s.Config.Network.CAFile
	if ca != "" && !filepath.IsAbs(ca) {
		ca = filepath.Join(s.Config.Dir(), ca)
	}
	network, err := outbound.New(outbound.Settings{Proxy: secrets.Proxy.Reveal(), CAFile: ca, Env: s.Env, Logger: s.Log})
	if err != nil {
		return config.Secrets{}, nil, fmt.Errorf("network settings of %s: %w", s.Config.Path(), err)
	}
	return secrets, network, nil
}
