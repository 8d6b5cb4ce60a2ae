package okta

import "sync"

// faults is what a test asked the org to do wrong. Callbacks run without any
// lock held, so that they may call the org.
type faults struct {
	mu          sync.Mutex
	readOnly    bool
	noAdmin     bool
	next        []effect
	onRead      func(id string)
	beforeWrite func(id string)
}

// effect is what happens to one write.
type effect struct {
	ignore     bool   // answer 200 as if stored, store nothing
	lose       string // pointer that is missing from what is stored
	loseAnswer bool   // store, then cut the connection
}

// SetReadOnly switches Okta's read-only mode: reads work, writes get 503
// E0000010.
func (o *Org) SetReadOnly(on bool) {
	o.faults.mu.Lock()
	defer o.faults.mu.Unlock()
	o.faults.readOnly = on
}

// SetAdmin takes the admin role from the users of the API tokens, or gives it
// back: without it every call gets 403 E0000006.
func (o *Org) SetAdmin(on bool) {
	o.faults.mu.Lock()
	defer o.faults.mu.Unlock()
	o.faults.noAdmin = !on
}

// IgnoreNextWrite makes the next valid write answer 200 with the new document
// and store nothing. Faults of writes queue up: each call is for one write.
func (o *Org) IgnoreNextWrite() { o.queue(effect{ignore: true}) }

// LoseFieldOnWrite makes the next valid write store everything but the value
// at the JSON pointer; the answer still holds it.
func (o *Org) LoseFieldOnWrite(pointer string) { o.queue(effect{lose: pointer}) }

// LoseNextAnswer makes the next valid write take effect and then cut the
// connection (http.ErrAbortHandler) instead of answering.
func (o *Org) LoseNextAnswer() { o.queue(effect{loseAnswer: true}) }

// LetNextWrite lets one write through unharmed, for a fault on a later one.
func (o *Org) LetNextWrite() { o.queue(effect{}) }

// OnRead sets a callback that runs after a single app was read and before the
// answer is sent; nil removes it.
func (o *Org) OnRead(f func(id string)) {
	o.faults.mu.Lock()
	defer o.faults.mu.Unlock()
	o.faults.onRead = f
}

// BeforeWrite sets a callback that runs when a write has arrived and before it
// takes effect; nil removes it.
func (o *Org) BeforeWrite(f func(id string)) {
	o.faults.mu.Lock()
	defer o.faults.mu.Unlock()
	o.faults.beforeWrite = f
}

func (o *Org) queue(e effect) {
	o.faults.mu.Lock()
	defer o.faults.mu.Unlock()
	o.faults.next = append(o.faults.next, e)
}

func (f *faults) isReadOnly() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.readOnly
}

func (f *faults) isAdmin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.noAdmin
}

// take returns the fault of the write that is about to take effect.
func (f *faults) take() effect {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.next) == 0 {
		return effect{}
	}
	e := f.next[0]
	f.next = f.next[1:]
	return e
}

func (f *faults) afterRead(id string) {
	f.mu.Lock()
	call := f.onRead
	f.mu.Unlock()
	if call != nil {
		call(id)
	}
}

func (f *faults) arrived(id string) {
	f.mu.Lock()
	call := f.beforeWrite
	f.mu.Unlock()
	if call != nil {
		call(id)
	}
}
