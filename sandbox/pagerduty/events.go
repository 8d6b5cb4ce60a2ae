package pagerduty

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"
)

// event is what the Events API takes.
type event struct {
	RoutingKey string          `json:"routing_key"`
	Action     string          `json:"event_action"`
	DedupKey   string          `json:"dedup_key"`
	Client     string          `json:"client"`
	ClientURL  string          `json:"client_url"`
	Links      json.RawMessage `json:"links"`
	Images     json.RawMessage `json:"images"`
	Payload    *struct {
		Summary   string          `json:"summary"`
		Source    string          `json:"source"`
		Severity  string          `json:"severity"`
		Timestamp string          `json:"timestamp"`
		Component string          `json:"component"`
		Group     string          `json:"group"`
		Class     string          `json:"class"`
		Details   json.RawMessage `json:"custom_details"`
	} `json:"payload"`
}

// maxEvent is the API's limit of an event.
const maxEvent = 512 << 10

func (a *Account) enqueue(w http.ResponseWriter, r *http.Request) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	var e event
	if media != "application/json" || err != nil || json.Unmarshal(body, &e) != nil {
		answer(w, http.StatusBadRequest, "invalid event", "Unrecognized object", []string{"JSON Parse Error"})
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuse > 0 {
		a.refuse--
		answer(w, http.StatusInternalServerError, "internal error", "Internal Server Error", nil)
		return
	}
	now := time.Now()
	a.recent = slices.DeleteFunc(a.recent, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(a.recent) >= a.o.PerMinute {
		tooMany(w, r)
		return
	}
	a.recent = append(a.recent, now)
	if wrong := a.wrong(e); len(wrong) > 0 {
		answer(w, http.StatusBadRequest, "invalid event", "Event object is invalid", wrong)
		return
	}
	key := a.apply(e)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "success", "message": "Event processed", "dedup_key": key})
}

// wrong lists what is wrong with an event. PagerDuty repeats what was sent; a
// client must not log that.
func (a *Account) wrong(e event) []string {
	var out []string
	add := func(bad bool, text string) {
		if bad {
			out = append(out, text)
		}
	}
	add(subtle.ConstantTimeCompare([]byte(e.RoutingKey), []byte(a.o.RoutingKey)) != 1, "Invalid routing key: "+word(e.RoutingKey))
	add(!slices.Contains([]string{"trigger", "acknowledge", "resolve"}, e.Action), "'event_action' is invalid: "+word(e.Action))
	add(len([]rune(e.DedupKey)) > 255, "'dedup_key' is too long (maximum is 255 characters)")
	if e.Action != "trigger" {
		add(e.DedupKey == "", "'dedup_key' is missing or blank")
		return out
	}
	if e.Payload == nil {
		return append(out, "'payload' is missing or blank")
	}
	p := e.Payload
	add(p.Summary == "", "'payload.summary' is missing or blank")
	add(len([]rune(p.Summary)) > 1024, "'payload.summary' is too long (maximum is 1024 characters)")
	add(p.Source == "", "'payload.source' is missing or blank")
	add(!slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity), "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
	if p.Timestamp != "" {
		_, err := time.Parse(time.RFC3339Nano, p.Timestamp)
		add(err != nil, "'payload.timestamp' is not a valid ISO 8601 date")
	}
	return out
}

// apply changes the incidents; the caller holds the lock. Everything about a key
// that is open goes into its incident; what ends nothing is taken all the same.
func (a *Account) apply(e event) string {
	if e.DedupKey == "" {
		e.DedupKey = fmt.Sprintf("sandbox%025d", len(a.incidents)+1)
	}
	i := a.current(e.DedupKey)
	switch {
	case e.Action == "trigger" && i == nil:
		a.open(e.DedupKey, e.Payload.Summary, e.Payload.Severity)
	case e.Action == "trigger":
		i.Severity, i.Summaries = e.Payload.Severity, append(i.Summaries, e.Payload.Summary)
	case i != nil && e.Action == "acknowledge":
		a.become(i, Acknowledged)
	case i != nil:
		a.become(i, Resolved)
	}
	return e.DedupKey
}

func answer(w http.ResponseWriter, status int, word, message string, errs []string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": word, "message": message, "errors": errs})
}

// tooMany refuses an event as one too many.
func tooMany(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "5")
	answer(w, http.StatusTooManyRequests, "throttle exceeded", "Requests for this service are arriving too quickly", nil)
}
