package world

import (
	"slices"
	"strings"
	"time"
)

// draft is a trust policy that was written and is visible from a moment on.
type draft struct {
	text string
	from time.Time
}

// settle makes visible what is due.
func (r *Role) settle(now time.Time) {
	for len(r.pending) > 0 && !now.Before(r.pending[0].from) {
		r.Trust, r.pending = r.pending[0].text, r.pending[1:]
	}
}

// forget shows a deleted role's id where its ARN stood.
func (r *Role) forget(gone Role) {
	id := strings.NewReplacer(`"`+gone.ARN()+`"`, `"`+gone.ID+`"`)
	r.Trust, r.pending = id.Replace(r.Trust), slices.Clone(r.pending)
	for i := range r.pending {
		r.pending[i].text = id.Replace(r.pending[i].text)
	}
}

// Written returns the trust policy that was written last, visible or not.
func (r Role) Written() string {
	if len(r.pending) == 0 {
		return r.Trust
	}
	return r.pending[len(r.pending)-1].text
}

// SetWriteDelay makes a written trust policy visible only after a time: until
// then reads and sign-ins see the one before, as IAM's eventual consistency has
// it (IAM User Guide, "Troubleshoot IAM"). 0 makes writes visible at once.
func (a *Account) SetWriteDelay(d time.Duration) { a.set(func() { a.delay = d }) }

// WriteTrust stores the trust policy of a role as IAM does; ok is false when
// there is no such role. It is visible after the account's write delay.
func (a *Account) WriteTrust(name, text string) (ok bool) {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	r := a.roles[strings.ToLower(name)]
	if r == nil {
		return false
	}
	at := now()
	r.settle(at)
	if a.delay <= 0 {
		r.Trust, r.pending = text, nil
		return true
	}
	r.pending = append(slices.Clone(r.pending), draft{text, at.Add(a.delay)})
	return true
}
