package slack

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/proxy"
)

// The hosts of Slack.
const (
	apiHost   = "slack.com"
	hooksHost = "hooks.slack.com"
)

// Sites returns the hosts of this workspace.
func (w *Workspace) Sites() []proxy.Site {
	site := func(host string, h http.Handler) proxy.Site {
		return proxy.Site{Host: host, Service: "slack", Tenant: w.o.Domain, Handler: h, Throttled: http.HandlerFunc(throttled)}
	}
	return []proxy.Site{site(apiHost, w.api()), site(hooksHost, http.HandlerFunc(w.respond))}
}

func (w *Workspace) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/chat.postMessage", w.method(w.postMessage))
	mux.HandleFunc("/api/chat.update", w.method(w.updateMessage))
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/api/")
		if !ok {
			http.NotFound(rw, r)
			return
		}
		answer(rw, map[string]any{"ok": false, "error": "unknown_method", "req_method": name})
	})
	return mux
}

// posting is what chat.postMessage and chat.update take.
type posting struct {
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	content
	Parse       string `json:"parse"`
	LinkNames   bool   `json:"link_names"`
	UnfurlLinks bool   `json:"unfurl_links"`
	UnfurlMedia bool   `json:"unfurl_media"`
	Thread      string `json:"thread_ts"`
}

const maxBody = 1 << 20

// method does what every method has in common: form, token, JSON.
func (w *Workspace) method(do func(posting) (map[string]any, time.Duration)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		no := func(word string) { answer(rw, map[string]any{"ok": false, "error": word}) }
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
		var p posting
		switch {
		case r.Method != http.MethodPost:
			no("invalid_http_method")
			return
		case token == "":
			no("not_authed")
			return
		case scheme != "Bearer" || w.o.BotToken == "" || token != w.o.BotToken:
			no("invalid_auth")
			return
		case media != "application/json":
			no("invalid_post_type") // Slack also takes forms
			return
		case err != nil || strict(body, &p) != nil:
			no("invalid_json")
			return
		}
		if word, why := p.check(); word != "" {
			answer(rw, map[string]any{"ok": false, "error": word, "errors": []string{why.Error()}})
			return
		}
		out, wait := do(p)
		if wait > 0 {
			rw.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
			rw.WriteHeader(http.StatusTooManyRequests)
			out = map[string]any{"ok": false, "error": "ratelimited"}
		}
		answer(rw, out)
	}
}

// postMessage posts; Slack lets an app post about once in a second into one
// channel, with short bursts ("Rate limits").
func (w *Workspace) postMessage(p posting) (map[string]any, time.Duration) {
	c, err := w.channel(p.Channel)
	switch {
	case err != nil || c.ID != p.Channel:
		return map[string]any{"ok": false, "error": "channel_not_found"}, 0
	case !c.Bot:
		return map[string]any{"ok": false, "error": "not_in_channel"}, 0
	case p.TS != "":
		return map[string]any{"ok": false, "error": "invalid_arguments"}, 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.posts[c.ID]
	if b == nil {
		b = newBucket(5, 5*time.Second)
		w.posts[c.ID] = b
	}
	if wait := b.take(time.Now()); wait > 0 {
		return nil, wait
	}
	m := w.put(c.ID, "", p.content)
	return map[string]any{"ok": true, "channel": c.ID, "ts": m.TS}, 0
}

// updateMessage edits a message of the app, some 50 times a minute (tier 3).
func (w *Workspace) updateMessage(p posting) (map[string]any, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if wait := w.updates.take(time.Now()); wait > 0 {
		return nil, wait
	}
	m := w.find(p.Channel, p.TS)
	if m == nil {
		return map[string]any{"ok": false, "error": "message_not_found"}, 0
	}
	m.become(p.content)
	return map[string]any{"ok": true, "channel": m.Channel, "ts": m.TS, "text": m.Text}, 0
}

// response is what a response_url takes.
type response struct {
	content
	Type    string `json:"response_type"`
	Replace *bool  `json:"replace_original"`
	Delete  *bool  `json:"delete_original"`
	Thread  string `json:"thread_ts"`
}

// respond serves the response_urls.
func (w *Workspace) respond(rw http.ResponseWriter, r *http.Request) {
	no := func(status int, word string) {
		rw.WriteHeader(status)
		answer(rw, map[string]any{"ok": false, "error": word})
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	var in response
	switch {
	case r.Method != http.MethodPost || media != "application/json":
		no(http.StatusBadRequest, "invalid_payload")
		return
	case err != nil || strict(body, &in) != nil || in.Type != "" && in.Type != "ephemeral" && in.Type != "in_channel":
		no(http.StatusBadRequest, "invalid_payload")
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hooks[r.URL.Path]
	switch {
	case h == nil:
		no(http.StatusNotFound, "no_such_url")
		return
	case time.Since(h.made) > urlLasts:
		no(http.StatusNotFound, "expired_url")
		return
	case h.used >= urlUses:
		no(http.StatusNotFound, "used_url")
		return
	}
	h.used++ // also by what follows being refused: the worst case
	if word, why := in.check(); word != "" {
		no(http.StatusBadRequest, word+": "+why.Error())
		return
	}
	w.apply(h, in)
	_, _ = io.WriteString(rw, "ok")
}

// apply shows a response. Without a word about it, a button's response replaces
// the message of the button.
func (w *Workspace) apply(h *hook, in response) {
	if original := w.find(h.channel, h.message); original != nil && (in.Replace == nil || *in.Replace) {
		original.become(in.content)
		return
	}
	only := h.user
	if in.Type == "in_channel" {
		only = ""
	}
	w.put(h.channel, only, in.content)
}

func answer(rw http.ResponseWriter, v map[string]any) {
	if rw.Header().Get("Content-Type") == "" {
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	_ = json.NewEncoder(rw).Encode(v) // a client that is gone needs no answer
}

// throttled refuses one request as one too many.
func throttled(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Retry-After", "5")
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(http.StatusTooManyRequests)
	_, _ = fmt.Fprintln(rw, `{"ok":false,"error":"ratelimited"}`)
}
