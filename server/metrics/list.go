package metrics

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is one of the metrics, as docs/metrics.md shows it.
type metric struct {
	name, kind string
	labels     []string
	help       string
}

func (d metric) desc() *prometheus.Desc { return prometheus.NewDesc(d.name, d.help, d.labels, nil) }

// What is counted as it happens.
var (
	requests     = metric{"samlfailover_http_requests_total", "counter", []string{"route", "method", "status"}, "Answers of the network API. Route is the pattern, none for a request that was refused before or has no route."}
	answering    = metric{"samlfailover_http_request_seconds", "histogram", []string{"route"}, "Time to an answer of the network API, event streams left out."}
	movesBegun   = metric{"samlfailover_moves_begun_total", "counter", []string{"federation", "how"}, "Moves that this controller began (started) or took up (resumed)."}
	movesEnded   = metric{"samlfailover_moves_ended_total", "counter", []string{"federation"}, "Moves that this controller brought to an end, well or not: see samlfailover_last_move_timestamp_seconds."}
	moveSeconds  = metric{"samlfailover_move_seconds", "histogram", []string{"federation"}, "Time from the beginning of a move to its end."}
	moveSteps    = metric{"samlfailover_move_step_troubles_total", "counter", []string{"federation", "kind"}, "Tries of an app in a move that failed and are repeated (retry), and apps that the move had to leave (failed)."}
	decisions    = metric{"samlfailover_decisions_total", "counter", []string{"federation", "kind", "rule"}, "News of a federation's loop: a new decision by its rule, a proposal, a Region that is suspect."}
	probeSeconds = metric{"samlfailover_probe_seconds", "histogram", []string{"region", "kind", "outcome"}, "Time of a probe from this controller, by what it found."}
)

// What is read from the status.
var (
	buildInfo     = metric{"samlfailover_build_info", "gauge", []string{"version"}, "Always 1."}
	startTime     = metric{"samlfailover_start_timestamp_seconds", "gauge", nil, "When this controller was started."}
	leads         = metric{"samlfailover_leads", "gauge", nil, "1 while this controller leads."}
	moving        = metric{"samlfailover_moving", "gauge", []string{"federation"}, "1 while a move runs."}
	proposed      = metric{"samlfailover_proposed", "gauge", []string{"federation"}, "1 while a proposal of the controller waits for people."}
	braked        = metric{"samlfailover_brakes", "gauge", []string{"federation", "kind"}, "Pauses and locks in force."}
	regionState   = metric{"samlfailover_region_state", "gauge", []string{"federation", "region", "state"}, "1 for the state that the quorum says a Region is in: healthy, unhealthy, unknown."}
	regionSuspect = metric{"samlfailover_region_suspect", "gauge", []string{"federation", "region"}, "1 while a probe of the Region failed and that is being confirmed."}
	roles         = metric{"samlfailover_roles", "gauge", []string{"federation", "region"}, "Roles that people sign in to, as last scanned."}
	rolesReady    = metric{"samlfailover_roles_ready", "gauge", []string{"federation", "region"}, "Those of them that would work in the Region."}
	appRegion     = metric{"samlfailover_app_region", "gauge", []string{"federation", "app", "region"}, "1 for the Region that an app points at, as last read."}
	appAge        = metric{"samlfailover_app_read_age_seconds", "gauge", []string{"federation", "app"}, "How long ago an app was read."}
	sinkQueued    = metric{"samlfailover_notify_queued", "gauge", []string{"sink", "kind"}, "Notifications that wait to be sent."}
	sinkOldest    = metric{"samlfailover_notify_oldest_seconds", "gauge", []string{"sink", "kind"}, "How long the oldest of them has waited, 0 with none."}
	sinkFailing   = metric{"samlfailover_notify_failing_seconds", "gauge", []string{"sink", "kind"}, "For how long every try has failed, 0 while they do not."}
	sinkSent      = metric{"samlfailover_notify_sent", "gauge", []string{"sink", "kind"}, "Notifications that were taken, since this controller began to lead."}
	sinkFailures  = metric{"samlfailover_notify_failures", "gauge", []string{"sink", "kind"}, "Tries that failed, since then."}
	sinkGivenUp   = metric{"samlfailover_notify_given_up", "gauge", []string{"sink", "kind"}, "Notifications that were given up or came too fast, since then."}
	lastMove      = metric{"samlfailover_last_move_timestamp_seconds", "gauge", []string{"federation", "cause", "status", "proof"}, "When the last move ended, how, and how far it is proven."}
)

func gauges() []metric {
	return []metric{buildInfo, startTime, leads, moving, proposed, braked, regionState, regionSuspect, roles, rolesReady, appRegion, appAge, lastMove,
		sinkQueued, sinkOldest, sinkFailing, sinkSent, sinkFailures, sinkGivenUp}
}

// list is every metric, by name.
func list() []metric {
	out := append(gauges(), requests, answering, movesBegun, movesEnded, moveSeconds, moveSteps, decisions, probeSeconds)
	slices.SortFunc(out, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return out
}

// Reference renders docs/metrics.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Metrics

Generated from the program: go test ./server/metrics -update.

The controller tells Prometheus metrics at ` + "`/metrics`" + ` of its network API (` + "`server.listen`" + ` in the
config). A scraper needs a token with the role viewer in every federation, or an address
under ` + "`server.metrics_from`" + `. Every label has a bounded set of values: names from the
config, Regions, words of the program.

| metric | kind | labels | what it tells |
|---|---|---|---|
`)
	for _, d := range list() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.name, d.kind, strings.Join(d.labels, ", "), d.help)
	}
	return b.String()
}
