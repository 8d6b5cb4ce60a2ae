package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/samlfailover/samlfailover/sandbox/alertmanager"
	"github.com/samlfailover/samlfailover/sandbox/callback"
	"github.com/samlfailover/samlfailover/sandbox/pagerduty"
	"github.com/samlfailover/samlfailover/sandbox/receiver"
)

// The names of the hooks in the written config.
const (
	pagerDutyHook    = "pagerduty"
	alertmanagerHook = "alertmanager"
)

// alerting are the systems that tell people, and that may ask for something.
type alerting struct {
	pagerDuty *pagerduty.Account
	receiver  *receiver.Receiver
	alerts    *alertmanager.Alertmanager
}

func newAlerting() (alerting, error) {
	calls := callback.New()
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	pd, err := pagerduty.New(pagerduty.Options{RoutingKey: hex.EncodeToString(key[:]), WebhookSecret: newToken(), Callbacks: calls})
	if err != nil {
		return alerting{}, err
	}
	return alerting{pagerDuty: pd, receiver: receiver.New(newToken()), alerts: alertmanager.New(calls, newToken())}, nil
}

// PagerDuty returns the simulated PagerDuty account.
func (w *World) PagerDuty() *pagerduty.Account { return w.alerting.pagerDuty }

// Receiver returns the simulated webhook of the company.
func (w *World) Receiver() *receiver.Receiver { return w.alerting.receiver }

// Alertmanager returns the simulated Alertmanager.
func (w *World) Alertmanager() *alertmanager.Alertmanager { return w.alerting.alerts }

// expectHooks makes PagerDuty and Alertmanager call the hooks of the controller
// of the written config; the caller holds the lock.
func (w *World) expectHooks() error {
	base := "http://" + w.controller
	return errors.Join(w.alerting.pagerDuty.Subscribe(base+"/hooks/"+pagerDutyHook), w.alerting.alerts.Configure(base+"/hooks/"+alertmanagerHook))
}

// The files of the secrets, relative to the folder.
const (
	routingKeyFile    = secretsDir + "/pagerduty-routing-key"
	webhookSecretFile = secretsDir + "/webhook-secret"
	pdHookSecretFile  = secretsDir + "/pagerduty-webhook-secret"
	amTokenFile       = secretsDir + "/alertmanager-token"
)

// alertingFiles are the secrets that the written config refers to.
func (w *World) alertingFiles() []file {
	a := &w.alerting
	return []file{
		{routingKeyFile, []byte(a.pagerDuty.RoutingKey() + "\n"), 0o600},
		{webhookSecretFile, []byte(a.receiver.Secret() + "\n"), 0o600},
		{pdHookSecretFile, []byte(a.pagerDuty.WebhookSecret() + "\n"), 0o600},
		{amTokenFile, []byte(a.alerts.Token() + "\n"), 0o600},
	}
}

// alertingConfig are the sections notify and hooks.
func (w *World) alertingConfig(federation string) string {
	return fmt.Sprintf("notify:\n  - name: on-call\n    kind: pagerduty\n    routing_key: file:%s\n  - name: company\n    kind: webhook\n    url: https://%s%s\n    secret: file:%s\n",
		routingKeyFile, receiver.Host, receiver.Path, webhookSecretFile) +
		fmt.Sprintf("hooks:\n  - name: %s\n    kind: pagerduty\n    federation: %s\n    action: move\n    secret: file:%s\n  - name: %s\n    kind: alertmanager\n    federation: %s\n    action: propose\n    token: file:%s\n",
			pagerDutyHook, federation, pdHookSecretFile, alertmanagerHook, federation, amTokenFile)
}
