package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/slack"
)

// patience bounds how long a person watches Slack try to reach the controller.
const patience = 10 * time.Second

func (s *server) slackMessages(w http.ResponseWriter, r *http.Request) {
	out, err := s.world.Slack().Seen(r.URL.Query().Get("channel"), r.URL.Query().Get("user"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	answer(w, http.StatusOK, SlackMessages{Messages: append([]slack.Message{}, out...)}) // [] rather than null
}

func (s *server) useSlack(w http.ResponseWriter, r *http.Request) {
	var in SlackRequest
	if !read(w, r, &in) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	d, err := in.use(ctx, s.world.Slack())
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	answer(w, http.StatusOK, d)
}

// use does what the request asks.
func (in SlackRequest) use(ctx context.Context, w *slack.Workspace) (slack.Delivery, error) {
	switch {
	case (in.Command == "") == (in.Button == ""):
		return slack.Delivery{}, errors.New("use Slack: name a command to type, or a button to press")
	case in.Command != "":
		return w.Type(ctx, in.User, in.Channel, in.Command)
	case in.Message == "":
		ts, err := w.Newest(in.Channel, in.Button)
		if err != nil {
			return slack.Delivery{}, err
		}
		in.Message = ts
	}
	return w.Click(ctx, in.User, in.Channel, in.Message, in.Button)
}
