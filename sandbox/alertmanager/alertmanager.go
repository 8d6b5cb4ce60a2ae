// Package alertmanager is for a simulated Prometheus Alertmanager with one
// receiver: it posts its webhook (version 4) when an alert begins or ends.
//
// It follows the Prometheus documentation of webhook_config and http_config. It
// must never call anything but registered loopback URLs.
package alertmanager

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/callback"
)

// Alertmanager is one with a single group of alerts. Safe for concurrent use.
type Alertmanager struct {
	callbacks *callback.Book
	token     string

	mu     sync.Mutex
	to     string
	alerts []alert
}

type alert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
	Generator   string            `json:"generatorURL"`
	Fingerprint string            `json:"fingerprint"`
}

// New returns an Alertmanager whose receiver sends a bearer token.
func New(callbacks *callback.Book, token string) *Alertmanager {
	return &Alertmanager{callbacks: callbacks, token: token}
}

// Token is the bearer token of its receiver.
func (a *Alertmanager) Token() string { return a.token }

// Configure sets the receiver's URL, a loopback one.
func (a *Alertmanager) Configure(url string) error {
	if err := a.callbacks.Register(url); err != nil {
		return fmt.Errorf("configure Alertmanager: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.to = url
	return nil
}

// Fire begins an alert of this name and notifies; a second time it notifies
// again. It returns the status of the answer and what it said.
func (a *Alertmanager) Fire(ctx context.Context, name string) (status int, said string, err error) {
	a.mu.Lock()
	if i := a.find(name); i < 0 || a.alerts[i].Status != "firing" {
		sum := sha256.Sum256([]byte(name))
		a.alerts = append(slices.DeleteFunc(a.alerts, func(x alert) bool { return x.Labels["alertname"] == name }), alert{Status: "firing", Labels: map[string]string{"alertname": name, "severity": "critical"},
			Annotations: map[string]string{"summary": name + " is firing"}, StartsAt: time.Now().UTC(), Generator: "http://prometheus.example:9090/graph", Fingerprint: hex.EncodeToString(sum[:8])})
	}
	a.mu.Unlock()
	return a.notify(ctx)
}

// Resolve ends an alert and notifies.
func (a *Alertmanager) Resolve(ctx context.Context, name string) (status int, said string, err error) {
	a.mu.Lock()
	i := a.find(name)
	if i < 0 {
		a.mu.Unlock()
		return 0, "", fmt.Errorf("no alert is called %q", name)
	}
	a.alerts[i].Status, a.alerts[i].EndsAt = "resolved", time.Now().UTC()
	a.mu.Unlock()
	return a.notify(ctx)
}

// find returns the place of an alert; the caller holds the lock.
func (a *Alertmanager) find(name string) int {
	return slices.IndexFunc(a.alerts, func(x alert) bool { return x.Labels["alertname"] == name })
}

// notify posts the group as it is; what is resolved is told once.
func (a *Alertmanager) notify(ctx context.Context) (int, string, error) {
	a.mu.Lock()
	status := "resolved"
	if slices.ContainsFunc(a.alerts, func(x alert) bool { return x.Status == "firing" }) {
		status = "firing"
	}
	body, err := json.Marshal(map[string]any{"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "samlfailover",
		"groupLabels": map[string]string{}, "commonLabels": a.alerts[len(a.alerts)-1].Labels, "commonAnnotations": map[string]string{}, "externalURL": "http://alertmanager.example:9093", "alerts": a.alerts})
	a.alerts = slices.DeleteFunc(a.alerts, func(x alert) bool { return x.Status == "resolved" })
	to := a.to
	a.mu.Unlock()
	if err != nil {
		return 0, "", fmt.Errorf("make Alertmanager's notification: %w", err)
	}
	return a.callbacks.Post(ctx, to, http.Header{"Authorization": {"Bearer " + a.token}, "User-Agent": {"Alertmanager/0.28.1"}}, body)
}
