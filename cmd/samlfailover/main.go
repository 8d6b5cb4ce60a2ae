// Command samlfailover moves SAML sign-in to AWS out of a broken Region.
//
// It is for turning words on a command line into calls of app and control; it
// must never hold a rule of its own.
package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	env := environment(os.Environ())
	forgetProxies()
	code := run(ctx, &program{
		Args: os.Args[1:], Env: env,
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
	})
	stop()
	os.Exit(code)
}

// environment turns NAME=value lines into a map: the only place where the
// environment is read.
func environment(lines []string) map[string]string {
	env := make(map[string]string, len(lines))
	for _, l := range lines {
		if k, v, ok := strings.Cut(l, "="); ok && k != "" {
			env[k] = v
		}
	}
	return env
}

// forgetProxies takes the proxies out of the process's own environment, once it
// was read. The way out is in env and goes through one place; what would read
// them behind its back is etcd, whose members would look for one another through
// the proxy (transport.NewTransport).
func forgetProxies() {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		_, _ = os.Unsetenv(name), os.Unsetenv(strings.ToLower(name))
	}
}
