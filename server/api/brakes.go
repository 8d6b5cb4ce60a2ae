package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/samlfailover/samlfailover/control"
)

// BrakeBody asks for a pause or a lock.
type BrakeBody struct {
	Federation string `json:"federation,omitempty" maxLength:"63" doc:"Of this federation; a pause without one is of everything."`
	App        string `json:"app,omitempty" maxLength:"200" doc:"Locks only: this app, by name, id or TENANT/ID."`
	All        bool   `json:"all,omitempty" doc:"Locks only: every app."`
	Reason     string `json:"reason,omitempty" doc:"Why, in words that others will read. Needed."`
	For        string `json:"for,omitempty" maxLength:"40" doc:"How long, such as 2h; absent, until it is released." example:"2h"`
}

// ReleaseBody names the pauses to release.
type ReleaseBody struct {
	ID         string `json:"id,omitempty" maxLength:"100" doc:"One pause."`
	Federation string `json:"federation,omitempty" maxLength:"63" doc:"The pauses of this federation."`
	All        bool   `json:"all,omitempty" doc:"All pauses."`
}

// Brakes are the pauses and locks that hold or have held.
type Brakes struct {
	Brakes []control.Brake `json:"brakes"`
}

type brakeID struct {
	ID string `path:"id" maxLength:"100" doc:"The id of the pause or lock."`
}

// brakes are the routes about pauses and locks.
func (a *API) brakes() {
	huma.Register(a.huma, operation("list-brakes", http.MethodGet, "/brakes", "Brake", "Pauses and locks", "Those of the federations that you may see, also ones that have run out and were not released yet."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, _ *struct{}) (*answer[Brakes], error) {
			out, seen := Brakes{Brakes: []control.Brake{}}, map[string]bool{}
			for _, f := range u.Status(ctx, who).Federations {
				for _, b := range f.Brakes {
					if !seen[b.ID] {
						seen[b.ID] = true
						out.Brakes = append(out.Brakes, b)
					}
				}
			}
			return whole(out, nil)
		}))
	set := func(id, path, summary, description string, use func(UseCases) func(context.Context, control.Actor, control.BrakeRequest) (control.BrakeAnswer, error)) {
		huma.Register(a.huma, operation(id, http.MethodPost, path, "Brake", summary, description, 400, 413, 415),
			ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *answer[BrakeBody]) (*answer[control.BrakeAnswer], error) {
				return whole(use(u)(ctx, who, control.BrakeRequest(in.Body)))
			}))
	}
	set("pause", "/pauses", "Pause", "Keeps moves from starting, of one federation or of all.",
		func(u UseCases) func(context.Context, control.Actor, control.BrakeRequest) (control.BrakeAnswer, error) {
			return u.Pause
		})
	set("lock", "/locks", "Lock", "Keeps an app, the apps of a federation or every app from being written by any move or undo.",
		func(u UseCases) func(context.Context, control.Actor, control.BrakeRequest) (control.BrakeAnswer, error) {
			return u.Lock
		})
	huma.Register(a.huma, operation("resume", http.MethodPost, "/pauses/release", "Brake", "Release pauses", "One by its id, those of a federation, or all; naming nothing is enough while one is set.", 400, 413, 415),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *answer[ReleaseBody]) (*answer[control.ReleaseAnswer], error) {
			return whole(u.Resume(ctx, who, control.ReleaseRequest(in.Body)))
		}))
	huma.Register(a.huma, operation("release-pause", http.MethodDelete, "/pauses/{id}", "Brake", "Release one pause", ""),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *brakeID) (*answer[control.ReleaseAnswer], error) {
			return whole(u.Resume(ctx, who, control.ReleaseRequest{ID: in.ID}))
		}))
	huma.Register(a.huma, operation("unlock", http.MethodDelete, "/locks/{id}", "Brake", "Release one lock", ""),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *brakeID) (*answer[control.ReleaseAnswer], error) {
			return whole(u.Unlock(ctx, who, control.ReleaseRequest{ID: in.ID}))
		}))
}
