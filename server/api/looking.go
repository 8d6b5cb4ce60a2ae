package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/samlfailover/samlfailover/control"
)

// FederationPath is in a route about one federation.
type FederationPath struct {
	Federation string `path:"federation" maxLength:"63" doc:"The federation's name."`
}

// Federations lists what the caller may see.
type Federations struct {
	At          time.Time                  `json:"at"`
	Federations []control.FederationStatus `json:"federations"`
}

// Health is what is known of each Region, by federation.
type Health struct {
	At      time.Time      `json:"at"`
	Regions []RegionHealth `json:"regions"`
	Notes   []string       `json:"notes,omitempty" doc:"What must be known with it, such as that one vantage alone looks."`
}

// RegionHealth is one Region as one federation sees it.
type RegionHealth struct {
	Federation string `json:"federation"`
	control.RegionStatus
}

// looking are the routes that change nothing.
func (a *API) looking() {
	huma.Register(a.huma, operation("status", http.MethodGet, "/status", "Look", "How everything stands", "The controller itself and every federation that you may see: what samlfailover status shows. It asks nobody outside."),
		ask(a, func(ctx context.Context, _ UseCases, who control.Actor, _ *struct{}) (*answer[*look], error) {
			return whole(a.look(ctx, who), nil)
		}))
	huma.Register(a.huma, operation("list-federations", http.MethodGet, "/federations", "Look", "The federations", "Every federation that you may see: apps with their active Region, verdicts, readiness, the decision and its rule."),
		ask(a, func(ctx context.Context, _ UseCases, who control.Actor, _ *struct{}) (*answer[Federations], error) {
			st := a.look(ctx, who)
			out := Federations{At: st.At, Federations: []control.FederationStatus{}}
			out.Federations = append(out.Federations, st.Federations...)
			return whole(out, nil)
		}))
	huma.Register(a.huma, operation("show-federation", http.MethodGet, "/federations/{federation}", "Look", "One federation", "Apps with their active Region as last read, a verdict for each Region, the decision with rule and evidence, pauses and locks."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *FederationPath) (*answer[control.FederationStatus], error) {
			st, err := a.federationOf(ctx, u, who, in.Federation)
			return whole(st, err)
		}))
	huma.Register(a.huma, operation("explain", http.MethodGet, "/federations/{federation}/decision", "Look", "Why things stand as they do", "The present decision in words, with the rule, the evidence and what would change it; with region the evidence about that Region too."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
			FederationPath
			Region string `query:"region" maxLength:"64" doc:"A Region of the federation, such as us-west-2."`
		}) (*answer[control.Explanation], error) {
			return whole(u.Explain(ctx, who, in.Federation, in.Region))
		}))
	huma.Register(a.huma, operation("readiness", http.MethodGet, "/federations/{federation}/readiness", "Look", "Which roles could sign in where", "The last scan as a matrix of roles and Regions, with a reason and a remedy for each that is not ready. It asks nobody outside."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
			FederationPath
			Region string `query:"region" maxLength:"64" doc:"This Region only."`
			Why    string `query:"why" maxLength:"40" doc:"Only roles that are so somewhere: ready, not-ready, conditional, unknown."`
		}) (*answer[control.ReadinessReport], error) {
			return whole(u.Readiness(ctx, who, control.ReadinessRequest{Federation: in.Federation, Region: in.Region, Why: in.Why}))
		}))
	huma.Register(a.huma, operation("health", http.MethodGet, "/health", "Look", "The Regions' health", "For each federation and Region the verdict of the quorum with its votes."),
		ask(a, func(ctx context.Context, _ UseCases, who control.Actor, _ *struct{}) (*answer[Health], error) {
			return whole(healthOf(a.look(ctx, who).Status), nil)
		}))
	huma.Register(a.huma, operation("store", http.MethodGet, "/store", "Look", "The store, and who leads", "Needs the role viewer in every federation."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, _ *struct{}) (*answer[control.StoreReport], error) {
			return whole(u.StoreReport(ctx, who))
		}))
}

func healthOf(st control.Status) Health {
	out := Health{At: st.At, Regions: []RegionHealth{}}
	seen := map[string]bool{}
	for _, f := range st.Federations {
		for _, r := range f.Regions {
			out.Regions = append(out.Regions, RegionHealth{f.Name, r})
		}
		for _, n := range f.Notes {
			if !seen[n] {
				seen[n] = true
				out.Notes = append(out.Notes, n)
			}
		}
	}
	return out
}

// federationOf finds one federation in the status of a caller; what it is not
// found by says control.
func (a *API) federationOf(ctx context.Context, u UseCases, who control.Actor, name string) (control.FederationStatus, error) {
	for _, f := range a.look(ctx, who).Federations {
		if f.Name == name {
			return f, nil
		}
	}
	_, err := u.Explain(ctx, who, name, "") // unknown, in the words of every other use case
	return control.FederationStatus{}, err
}
