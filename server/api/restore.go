package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/samlfailover/samlfailover/control"
)

// RestoreBody asks to put one app's whole document back.
type RestoreBody struct {
	Federation string `json:"federation,omitempty" maxLength:"63" doc:"May be left out: the move tells it."`
	App        string `json:"app,omitempty" maxLength:"200" doc:"The app: its name, its id, or TENANT/ID. Needed."`
	Reason     string `json:"reason,omitempty" doc:"Why, in words for the record that others will read. Needed but for a dry run."`
	DryRun     bool   `json:"dry_run,omitempty" doc:"Only show the comparison."`
}

// restoreAnswer is 202 where other people have to approve it now; Location leads
// to the proposal.
type restoreAnswer struct {
	Status   int
	Location string `header:"Location"`
	Body     control.FullRestoreAnswer
}

// restore is the route about whole documents.
func (a *API) restore() {
	op := operation("restore-full", http.MethodPost, "/moves/{move}/restore", "Move", "Put an app's whole document back", "Compares one app with its whole document of before the move and asks other people to approve that it goes back, others' edits since with it. It needs the role admin, and never happens without another person's approval: 202 with the proposal's Location. 200 for a dry run and where nothing differs; 409 when a rule or a finding holds it.", 400, 413, 415)
	op.Responses = accepted[control.FullRestoreAnswer](a, "It waits for another person's approval.")
	huma.Register(a.huma, op, ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
		Move string `path:"move" maxLength:"100" doc:"The move's id."`
		Body RestoreBody
	}) (*restoreAnswer, error) {
		b := in.Body
		got, err := u.RestoreFull(ctx, who, control.FullRestoreRequest{Federation: b.Federation, App: b.App, Move: in.Move, Reason: b.Reason, DryRun: b.DryRun})
		switch {
		case err != nil:
			return nil, err
		case got.Proposal != nil:
			return &restoreAnswer{Status: http.StatusAccepted, Location: Base + "/proposals/" + got.Proposal.ID, Body: got}, nil
		case got.Changes() > 0 && !b.DryRun:
			return nil, refusedBy(got.Decision)
		}
		return &restoreAnswer{Status: http.StatusOK, Body: got}, nil
	}))
}
