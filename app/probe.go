package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/health/probe"
	"github.com/samlfailover/samlfailover/signin"
)

// What a probe returns, for the command that shows it.
type (
	// ProbeResult is one probe.
	ProbeResult = health.Result
	// ProbeKind is what was asked.
	ProbeKind = health.Kind
	// ProbePhase is how far it came.
	ProbePhase = health.Phase
	// ProbeOutcome is what it says of the endpoint.
	ProbeOutcome = health.Outcome
)

// The words of probes that the command needs.
const (
	ProbeOK      = health.OK
	ProbeFailed  = health.Failed
	ProbeSignIn  = health.SignIn
	ProbeSTS     = health.STS
	ProbeConsole = health.Console
	PhaseDNS     = health.DNS
)

// Probe asks every kind of question in every Region once, without any config,
// and returns the results in the order of the Regions.
func Probe(ctx context.Context, env map[string]string, log *slog.Logger, timeout time.Duration, regions []signin.Region) ([]health.Result, error) {
	n, err := Bare(env, log)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	return probe.New(probe.Options{Network: n, Timeout: timeout, Vantage: "here", Logger: log}).Sweep(ctx, regions), nil
}

// ExplainProbe tells one probe in words.
func ExplainProbe(r health.Result) string { return probe.Explain(r) }
