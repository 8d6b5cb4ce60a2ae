package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/health/probe"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/signin"
)

// spec 7.1: each kind of fault, as probe tells it. Every Region of aws has a
// fault of its own or none, and one run of the program sees them all.
func TestProbeTellsEveryFault(t *testing.T) {
	t.Parallel()
	rows := []struct {
		kind, outcome, phase, code, reason string
		sts, console                       string // code where it differs from sign-in's
	}{
		{kind: "down", outcome: "failed", phase: "proxy", code: "connect-refused", reason: "the proxy could not connect to HOST: refused"},
		{kind: "refuse", outcome: "failed", phase: "proxy", code: "connect-refused", reason: "the proxy could not connect to HOST: refused"},
		{kind: "flap=10m", outcome: "failed", phase: "proxy", code: "connect-refused", reason: "the proxy could not connect to HOST: refused"},
		{kind: "blackhole", outcome: "failed", phase: "proxy", code: "connect-timeout", reason: "the proxy did not get through to HOST in time"},
		{kind: "dns", outcome: "failed", phase: "proxy", code: "dns-failed", reason: "the proxy could not resolve the name HOST"},
		{kind: "tls-expired", outcome: "failed", phase: "tls", code: "tls-expired", reason: "the certificate of HOST expired on "},
		{kind: "tls-wrong-name", outcome: "failed", phase: "tls", code: "tls-wrong-name", reason: "the certificate is not for HOST"},
		{kind: "stall", outcome: "failed", phase: "first_byte", code: "no-answer", reason: "HOST took the request but sent no answer in time"},
		{kind: "latency=9m", outcome: "failed", phase: "first_byte", code: "no-answer", reason: "HOST took the request but sent no answer in time"},
		{kind: "reset", outcome: "failed", phase: "first_byte", code: "reset", reason: "HOST closed the connection without a full answer"},
		{kind: "answer-lost", outcome: "failed", phase: "first_byte", code: "reset", reason: "HOST closed the connection without a full answer"},
		{kind: "slow=9m", outcome: "failed", phase: "body", code: "slow-body", reason: "HOST began to answer but did not finish in time"},
		{kind: "truncated", outcome: "failed", phase: "body", code: "truncated", reason: "the answer of HOST ended too early"},
		{kind: "5xx", outcome: "failed", phase: "content", code: "http-5xx", reason: "HOST answers with server error 503"},
		{kind: "oversized", outcome: "failed", phase: "content", code: "too-large", reason: "HOST answered more than 1048576 bytes", console: "serving"},
		{kind: "wrong-body", outcome: "failed", phase: "content", code: "wrong-content", reason: "HOST answers 200, but not with an XML document", console: "serving"},
		{kind: "html", outcome: "failed", phase: "content", code: "wrong-content", reason: "HOST answers 200, but ", console: "serving"},
		{kind: "throttle", outcome: "blocked", phase: "content", code: "throttled", reason: "HOST limits our rate (429), which says nothing about logins"},
	}
	if len(rows)+1 != len(fault.Help()) { // + read-only, which nothing that is probed has
		t.Fatalf("the table has %d kinds of fault, the sandbox %d: %v", len(rows), len(fault.Help()), fault.Help())
	}
	w := newWorld(t)
	regions := signin.Regions(signin.AWS, true)
	if len(regions) != 34 {
		t.Fatalf("aws has %d Regions, want 34", len(regions))
	}
	broken := map[string]int{} // Region -> row
	for i, row := range rows {
		region := regions[len(regions)-1-i].String()
		broken[region] = i
		cli(t, w.env, "sandbox", "fault", region, row.kind).wants(t, exitDone)
	}
	r := cli(t, w.env, "probe", "--all", "--timeout", "6s", "--output", "json")
	r.wants(t, exitFailed)
	seen := 0
	for _, l := range strings.Split(strings.TrimSpace(r.out), "\n") {
		var got probeLine
		if err := json.Unmarshal([]byte(l), &got); err != nil {
			t.Fatalf("%v in %s", err, l)
		}
		seen++
		i, bad := broken[got.Region.String()]
		if !bad {
			if !got.OK || got.Phase != "content" || got.Outcome != app.ProbeOK {
				t.Errorf("a healthy Region: %s", l)
			}
			continue
		}
		want := rows[i]
		code := want.code
		switch {
		case got.Kind == app.ProbeSTS && want.sts != "":
			code = want.sts
		case got.Kind == app.ProbeConsole && want.console != "":
			code = want.console
		}
		if got.Code != code {
			t.Errorf("%s: code %q, want %q in %s", want.kind, got.Code, code, l)
		}
		if got.Kind != app.ProbeSignIn {
			continue
		}
		host := strings.TrimSuffix(strings.TrimPrefix(got.URL, "https://"), "/static/saml-metadata.xml")
		if got.OK || string(got.Outcome) != want.outcome || string(got.Phase) != want.phase || !strings.HasPrefix(got.Reason, strings.ReplaceAll(want.reason, "HOST", host)) {
			t.Errorf("%s: want outcome %s, phase %s, reason %q in %s", want.kind, want.outcome, want.phase, want.reason, l)
		}
	}
	if seen != 34*3 {
		t.Errorf("%d probes, want three in each of 34 Regions", seen)
	}
}

// Without a network, and without a proxy: phase dns, and words that send the
// person to their own machine, not to AWS.
func TestProbeWithoutANetwork(t *testing.T) {
	t.Parallel()
	dial := func(_ context.Context, _, addr string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(addr)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	for _, c := range []struct {
		why     string
		regions []signin.Region
		dial    outbound.DialFunc
		want    string
		not     string
	}{
		{"no name resolves", signin.Regions(signin.AWS, false), dial, "Not one name could be looked up: this machine has no working name resolution or no network.", "unhealthy seen"},
		{"no name resolves, one Region", []signin.Region{signin.MustRegion("us-west-2")}, dial, "That says nothing about AWS. Check the connection; behind a proxy, set HTTPS_PROXY.", "second network"},
		{"names resolve, nobody answers", signin.Regions(signin.AWS, false), func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("network is unreachable")}
		}, "most likely the fault is on this side", "looked up"},
	} {
		n, err := outbound.New(outbound.Settings{Env: map[string]string{}, Logger: slog.New(slog.DiscardHandler), DialContext: c.dial})
		if err != nil {
			t.Fatal(err)
		}
		results := probe.New(probe.Options{Network: n, Timeout: 5 * time.Second, Vantage: "here"}).Sweep(t.Context(), c.regions)
		n.Close()
		var out bytes.Buffer
		p := &program{Out: &out}
		if err := showProbes(p, probeFlags{}, c.regions, results); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), c.not) {
			t.Errorf("%s: want %q, not %q:\n%s", c.why, c.want, c.not, out.String())
		}
		var end coded
		if !errors.As(probeVerdict(results), &end) || end.code != exitFailed {
			t.Errorf("%s: exit code %v, want 1", c.why, end.code)
		}
		for _, r := range results {
			if l := lineOf(r); l.OK || (l.Phase == app.PhaseDNS) != (c.not != "looked up") {
				t.Errorf("%s: %s", c.why, fmt.Sprintf("%+v", l))
			}
		}
	}
}
