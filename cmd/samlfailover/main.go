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
	code := run(ctx, &program{
		Args: os.Args[1:], Env: environment(os.Environ()),
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
