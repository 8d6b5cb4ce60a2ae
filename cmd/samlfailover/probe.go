package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/signin"
)

type probeFlags struct {
	regions   []string
	partition string
	// onlyPartition: --partition was given, so a --region has to be in it.
	onlyPartition bool
	all           bool
	watch         bool
	explain       bool
	timeout       time.Duration
	every         time.Duration
}

func newProbe(p *program) *cobra.Command {
	var f probeFlags
	c := &cobra.Command{
		Use:   "probe",
		Short: "Probe AWS's real sign-in endpoints from here; no config needed",
		Long: `probe asks AWS's Regional endpoints once: the sign-in host for its SAML metadata,
the Regional STS with a deliberately invalid login, the console host for any
answer. It needs no config and no credentials. Proxy and CA settings are those of
the environment (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, AWS_CA_BUNDLE).

Without flags it asks the Regions that every account has; --all adds those that
an account enables first. One look from one place proves little: an unhealthy
answer may be your own network. Exit code 1 when any probed Region is not healthy.

With --output json there is one object per probe:
region, kind, ok, phase, code, reason, ms. phase is how far it came: dns, connect,
proxy, tls, request, first_byte, body, content (the last is success when ok).`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.onlyPartition = cmd.Flags().Changed("partition")
			return runProbe(cmd.Context(), p, f)
		},
	}
	c.Flags().StringArrayVar(&f.regions, "region", nil, "probe only this `REGION` (may be given several times)")
	c.Flags().StringVar(&f.partition, "partition", string(signin.AWS), "`PARTITION` whose Regions are probed")
	c.Flags().BoolVar(&f.all, "all", false, "also the Regions that an account has to enable first")
	c.Flags().BoolVar(&f.watch, "watch", false, "go on until interrupted")
	c.Flags().BoolVar(&f.explain, "explain", false, "tell every probe phase by phase")
	c.Flags().DurationVar(&f.timeout, "timeout", 5*time.Second, "a probe that takes longer than this `TIME` has failed")
	c.Flags().DurationVar(&f.every, "every", 10*time.Second, "pause of this `TIME` between two rounds of --watch")
	return c
}

func runProbe(ctx context.Context, p *program, f probeFlags) error {
	regions, err := probeRegions(f)
	if err != nil {
		return err
	}
	if f.timeout <= 0 || f.every < time.Second {
		return usagef("--timeout must be positive and --every at least 1s")
	}
	for {
		results, err := app.Probe(ctx, p.Env, p.logger(slog.LevelError), f.timeout, regions)
		switch {
		case err != nil:
			return err
		case interrupted(ctx): // half a round says nothing
			return nil
		}
		if err := showProbes(p, f, regions, results); err != nil {
			return err
		}
		if !f.watch {
			return probeVerdict(results)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.every):
		}
	}
}

func interrupted(ctx context.Context) bool { return ctx.Err() != nil }

// probeVerdict is exit code 1 as soon as one probe did not find its Region
// healthy.
func probeVerdict(results []app.ProbeResult) error {
	if slices.ContainsFunc(results, func(r app.ProbeResult) bool { return r.Outcome != app.ProbeOK }) {
		return quietly(exitFailed)
	}
	return nil
}

// probeRegions turns the flags into Regions.
func probeRegions(f probeFlags) ([]signin.Region, error) {
	if len(f.regions) > 0 {
		var out []signin.Region
		for _, code := range f.regions {
			r, err := signin.ParseRegion(code)
			if err != nil {
				return nil, usagef("--region: %w", err)
			}
			if f.onlyPartition && string(r.Partition()) != f.partition {
				return nil, usagef("--region %s is in partition %s, not %q; leave out --partition", r, r.Partition(), f.partition)
			}
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
		return out, nil
	}
	regions := signin.Regions(signin.Partition(f.partition), f.all)
	if len(regions) == 0 {
		return nil, usagef("--partition %q: have %s", f.partition, partitionNames())
	}
	return regions, nil
}

// probeLine is the stable JSON form of one probe.
type probeLine struct {
	Region     signin.Region    `json:"region"`
	Kind       app.ProbeKind    `json:"kind"`
	OK         bool             `json:"ok"`
	Outcome    app.ProbeOutcome `json:"outcome"`
	Phase      app.ProbePhase   `json:"phase"`
	Code       string           `json:"code"`
	Reason     string           `json:"reason"`
	Proves     string           `json:"proves,omitempty"`
	MS         float64          `json:"ms"`
	Status     int              `json:"status,omitempty"`
	CertExpiry *time.Time       `json:"cert_expiry,omitempty"`
	URL        string           `json:"url"`
	At         time.Time        `json:"at"`
	Unverified []string         `json:"unverified,omitempty"`
}

func showProbes(p *program, f probeFlags, regions []signin.Region, results []app.ProbeResult) error {
	if p.json() {
		for _, r := range results {
			if err := p.printJSON(lineOf(r)); err != nil {
				return err
			}
		}
		return nil
	}
	if f.explain {
		for _, r := range results {
			p.line("%s", escapeLines(app.ExplainProbe(r)))
		}
	}
	rows := [][]string{{"REGION", "VERDICT", "SIGN-IN", "STS", "CONSOLE", "CERTIFICATE UNTIL", "WHY"}}
	bad := 0
	for _, region := range regions {
		row, healthy := regionRow(region, results)
		rows = append(rows, row)
		if !healthy {
			bad++
		}
	}
	p.table(rows)
	p.line("")
	p.line("%s", probeSummary(len(regions), bad, results))
	return nil
}

func lineOf(r app.ProbeResult) probeLine {
	l := probeLine{Region: r.Region, Kind: r.Kind, OK: r.Outcome == app.ProbeOK, Outcome: r.Outcome, Phase: r.Phase, Code: r.Code,
		Reason: r.Reason, Proves: r.Proves, MS: float64(r.Took.Microseconds()) / 1000, Status: r.Status, URL: r.URL, At: r.Start.UTC()}
	if !r.CertExpiry.IsZero() {
		l.CertExpiry = &r.CertExpiry
	}
	if e, ok := r.Region.Endpoint(); ok {
		l.Unverified = e.Unverified
	}
	return l
}

// regionRow sums up what the probes of one Region said.
func regionRow(region signin.Region, results []app.ProbeResult) (row []string, healthy bool) {
	verdict, why, expiry := "healthy", "", time.Time{}
	cell := map[app.ProbeKind]string{}
	for _, r := range results {
		if r.Region != region {
			continue
		}
		if r.Outcome == app.ProbeOK {
			cell[r.Kind] = fmt.Sprintf("%d ms", r.Took.Milliseconds())
		} else {
			cell[r.Kind] = "x " + string(r.Phase)
			if why == "" || r.Outcome == app.ProbeFailed && verdict != "unhealthy" {
				why = escape.Terminal(r.Reason) + " [" + r.Code + "]"
			}
			if r.Outcome == app.ProbeFailed {
				verdict = "unhealthy"
			} else if verdict == "healthy" {
				verdict = "unknown"
			}
		}
		if !r.CertExpiry.IsZero() && (expiry.IsZero() || r.CertExpiry.Before(expiry)) {
			expiry = r.CertExpiry
		}
	}
	until := "-"
	if !expiry.IsZero() {
		until = expiry.UTC().Format("2006-01-02")
	}
	return []string{region.String(), verdict, dash(cell[app.ProbeSignIn]), dash(cell[app.ProbeSTS]), dash(cell[app.ProbeConsole]), until, why}, verdict == "healthy"
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// probeSummary is the last line: what it means, and what to do about it.
func probeSummary(total, bad int, results []app.ProbeResult) string {
	allDNS := len(results) > 0 && !slices.ContainsFunc(results, func(r app.ProbeResult) bool { return r.Phase != app.PhaseDNS })
	switch {
	case bad == 0 && total == 1:
		return "The Region serves, seen from here."
	case bad == 0:
		return fmt.Sprintf("All %d Regions serve, seen from here.", total)
	case allDNS:
		return "Not one name could be looked up: this machine has no working name resolution or no network.\n" +
			"That says nothing about AWS. Check the connection; behind a proxy, set HTTPS_PROXY."
	case bad == total && total == 1:
		return "The Region is not healthy, seen from here. One place can be wrong: ask from a second network before you act."
	case bad == total:
		return fmt.Sprintf("None of the %d Regions is healthy, seen from here: most likely the fault is on this side (network, proxy, CA).\nTry: samlfailover probe --region us-west-2 --explain", total)
	}
	return fmt.Sprintf("%d of %d Regions are not healthy, seen from here. One place can be wrong: ask from a second network before you act.", bad, total)
}

// escapeLines makes each line of a text safe.
func escapeLines(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, l := range lines {
		lines[i] = escape.Terminal(l)
	}
	return strings.Join(lines, "\n")
}
