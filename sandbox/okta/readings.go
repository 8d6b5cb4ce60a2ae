package okta

import (
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// Readings are the points on which Okta's documents are silent and the recorded
// exchanges say nothing. The zero value is what a client would hope for; a
// client has to be safe under both readings of each.
type Readings struct {
	// NullClearsSecrets: a PUT with null in a write-only secret of amazon_aws,
	// or without it, clears the secret.
	NullClearsSecrets bool
	// NullKeepsOverride: a PUT with null in overrideAcsURL leaves the old value.
	NullKeepsOverride bool
	// FieldMovesACSOnly: overrideAcsURL does not move Recipient and Destination.
	FieldMovesACSOnly bool
	// APINonce: the admin API, too, wants a nonce in DPoP proofs.
	APINonce bool
	// SignOnLag is how long sign-on still uses an app as it was before a PUT.
	SignOnLag time.Duration
}

// SetReadings switches to other readings; the zero value holds before.
func (o *Org) SetReadings(r Readings) {
	o.mu.Lock()
	o.readings = r
	o.mu.Unlock()
	o.clients.mu.Lock()
	defer o.clients.mu.Unlock()
	o.clients.apiNonce = r.APINonce
}

// secretKeys are the write-only values of the AWS catalogue app: they are
// stored and always read back as null.
func secretKeys() []string { return strings.Fields("secretKey accessKey secretKeyEnc") }

// SetSecret puts a write-only value into an app, as an administrator who sets
// up the import of roles does. It does not show in the app's JSON.
func (o *Org) SetSecret(id, key, value string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a := o.find(id); a != nil {
		a.secrets[key] = value
	}
}

// Secret returns a write-only value of an app; no API shows it.
func (o *Org) Secret(id, key string) (value string, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a := o.find(id); a != nil {
		value, ok = a.secrets[key]
	}
	return value, ok
}

// keepSecrets stores the write-only values that a PUT sets, and clears the
// others under that reading. The caller holds mu.
func (o *Org) keepSecrets(a *app, sent object) {
	if jsontree.Text(a.doc, "name") != accountApp {
		return
	}
	for _, k := range secretKeys() {
		if s := jsontree.Text(sent, "settings", "app", k); s != "" {
			a.secrets[k] = s
		} else if o.readings.NullClearsSecrets {
			delete(a.secrets, k)
		}
	}
}

// keepOverride undoes the clearing of overrideAcsURL under that reading.
func (o *Org) keepOverride(old, sent, next object) {
	was := jsontree.Text(old, "settings", "app", "overrideAcsURL")
	now, present := jsontree.Get(sent, "settings", "app", "overrideAcsURL")
	if o.readings.NullKeepsOverride && was != "" && present && now == nil {
		set(next, was, "settings", "app", "overrideAcsURL")
	}
}
