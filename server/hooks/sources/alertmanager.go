package sources

import (
	"net/http"
	"slices"
	"strings"
)

// alertmanagerBody is what matters in a webhook of Alertmanager (version 4;
// Prometheus documentation, "webhook_config"). It names no time of sending.
type alertmanagerBody struct {
	Version      string            `json:"version"`
	GroupKey     string            `json:"groupKey"`
	Status       string            `json:"status"`
	CommonLabels map[string]string `json:"commonLabels"`
	Alerts       []struct {
		Status      string `json:"status"`
		StartsAt    string `json:"startsAt"`
		Fingerprint string `json:"fingerprint"`
	} `json:"alerts"`
}

func (s Source) alertmanager(r Request) (Ask, error) {
	if !s.alertmanagerKnown(r) {
		return Ask{}, refuse(badCredential, http.StatusUnauthorized, "the credential is not the one of this hook", "give Alertmanager the hook's token, or user name and password (http_config)")
	}
	var b alertmanagerBody
	if err := decode(r.Body, &b, false); err != nil {
		return Ask{}, err
	}
	if b.Version != "4" || b.GroupKey == "" || b.Status != "firing" && b.Status != "resolved" || len(b.Alerts) == 0 {
		return Ask{}, refuse(unreadable, http.StatusBadRequest, "this is no notification of Alertmanager in version 4", "use a receiver with webhook_configs")
	}
	parts := make([]string, 0, len(b.Alerts))
	for _, a := range b.Alerts {
		parts = append(parts, a.Fingerprint+" "+a.Status+" "+a.StartsAt)
	}
	slices.Sort(parts)
	ask := Ask{ID: digest(append(parts, b.GroupKey, b.Status)...), Keep: keepAlertmanager, Again: true}
	name := b.CommonLabels["alertname"]
	if name == "" {
		name = b.GroupKey
	}
	ask.Reason = "Alertmanager: " + short(name, 100) + " " + b.Status
	ask.Look = b.Status == "resolved"
	return ask, nil
}

// alertmanagerKnown checks the credential, if the hook has one.
func (s Source) alertmanagerKnown(r Request) bool {
	given := r.Header.Values("Authorization")
	switch {
	case s.Token.IsZero() && s.Username == "":
		return true
	case len(given) != 1:
		return false
	case s.Username == "":
		scheme, token, _ := strings.Cut(given[0], " ")
		return strings.EqualFold(scheme, "Bearer") && same(token, s.Token.Reveal())
	}
	user, password, ok := (&http.Request{Header: r.Header}).BasicAuth()
	right := same(user, s.Username)
	return same(password, s.Password.Reveal()) && right && ok
}
