package clustertest

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// How long a take-over may take on a busy machine, beyond the lease. A lost
// controller whose member led etcd too costs etcd's own election first, and
// then every lease has its whole time again.
const (
	electWithin     = 2 * time.Second
	electEtcdWithin = 4 * time.Second
	// beginWithin is what a new leader may need for its look at the live apps,
	// after it has waited out one call deadline.
	beginWithin = 3 * time.Second
)

// ledEtcd reports whether a controller's member leads etcd, as another sees it.
func ledEtcd(c, seenBy *controller) bool {
	st, _ := seenBy.status()
	for _, m := range st.Store.Store.Members {
		if m.Name == c.name {
			return m.Leader
		}
	}
	return false
}

// succession waits until one of the others leads, holds the times of spec 9.5
// and of the store against the clock, and returns the new leader.
func (p *place) succession(lost time.Time, old *controller, others []*controller, etcdToo bool) *controller {
	p.t.Helper()
	var next *controller
	p.until("another controller leads", func() bool {
		next = leader(others)
		return next != nil
	})
	took, within := time.Since(lost), leaseTime+electWithin
	if etcdToo {
		within = leaseTime + electEtcdWithin
	}
	p.t.Logf("%s leads and reads %s after %s was lost (lease %s, its member led etcd: %v)", next.name, took.Round(10*time.Millisecond), old.name, leaseTime, etcdToo)
	if took > within {
		p.t.Errorf("the take-over took %s, more than %s", took, within)
	}
	p.moved(others)
	for _, w := range p.writes() {
		if w.by == old.name {
			continue
		}
		later := w.began.Sub(lost) - took
		p.t.Logf("its first write came %s later (call deadline %s)", later.Round(10*time.Millisecond), callDeadline)
		if early := callDeadline - 500*time.Millisecond; later < early || later > callDeadline+beginWithin {
			p.t.Errorf("the first write came %s after the take-over, not one call deadline later", later)
		}
		return next
	}
	p.t.Error("the new leader wrote nothing: the move was over before")
	return next
}

// chains verifies the audit record of every controller that runs or ran here.
func (p *place) chains() {
	p.t.Helper()
	for _, c := range p.nodes {
		if out, err := c.command("audit", "verify").CombinedOutput(); err != nil {
			p.t.Errorf("the audit record of %s: %v\n%s", c.name, err, out)
		}
	}
}

// spec 9.5: the leader is killed in the middle of a move. The next one takes over
// and finishes it: no app twice, none forgotten.
func TestInsideLeaderKilled(t *testing.T) {
	inside(t)
	p := newPlace(t)
	old, others := p.settled()
	etcdToo := ledEtcd(old, others[0])
	var lost time.Time
	hit := p.onWrite(3, func() { lost = time.Now(); old.kill() })
	p.breakHome()
	<-hit
	p.succession(lost, old, others, etcdToo)
	// It comes back as a follower, and writes nothing more.
	old.start()
	p.until("it is back", func() bool {
		st, ok := old.status()
		return ok && st.Store.Standing.Leader != "" && !st.Store.Standing.Leads
	})
	p.judged()
	p.chains()
}

// spec 9.5: the leader is frozen in the middle of a move for longer than its
// lease, and thawed when another has finished it: it writes nothing more, and
// says that it does not lead.
func TestInsideLeaderFrozen(t *testing.T) {
	inside(t)
	p := newPlace(t)
	old, others := p.settled()
	etcdToo := ledEtcd(old, others[0])
	var lost time.Time
	hit := p.onWrite(2, func() { lost = time.Now(); old.signal(syscall.SIGSTOP) })
	p.breakHome()
	<-hit
	p.succession(lost, old, others, etcdToo)
	before := len(p.writes())
	old.signal(syscall.SIGCONT)
	thawed := time.Now()
	p.until("the thawed one knows that it does not lead", func() bool {
		st, ok := old.status()
		return ok && !st.Store.Standing.Leads && st.Store.Standing.Leader != ""
	})
	t.Logf("%s knows %s after it was thawed that it does not lead", old.name, time.Since(thawed).Round(10*time.Millisecond))
	p.until("time has passed in which it could have written", func() bool { return time.Since(thawed) > callDeadline+leaseTime })
	if n := len(p.writes()); n != before {
		t.Errorf("%d writes after the thaw", n-before)
	}
	p.judged()
	p.chains()
}

// spec 9.5: the leader is cut off from the other two in the middle of a move, and
// still reaches every identity provider. It stops by itself before another begins.
func TestInsideLeaderPartitioned(t *testing.T) {
	apartOnly(t)
	p := newPlace(t)
	old, others := p.settled()
	etcdToo := ledEtcd(old, others[0])
	var lost time.Time
	hit := p.onWrite(1, func() {
		lost = time.Now()
		cut(t, old.net, others[0].net)
		cut(t, old.net, others[1].net)
	})
	p.breakHome()
	<-hit
	p.succession(lost, old, others, etcdToo)
	if st, ok := old.status(); !ok || st.Store.Standing.Leads {
		t.Errorf("the one that is cut off says: %v %+v", ok, st.Store)
	}
	p.until("the one that is cut off says so", func() bool {
		st, ok := old.status()
		return ok && !st.Store.Standing.Leads && !st.Store.Store.Quorum && st.finds("store-unavailable")
	})
	t.Logf("%s says that it has no majority %s after it was cut off", old.name, time.Since(lost).Round(10*time.Millisecond))
	mend(t, old.net, others[0].net)
	mend(t, old.net, others[1].net)
	took := p.until("the one that was cut off follows", func() bool {
		st, ok := old.status()
		return ok && st.Store.Store.Quorum && !st.Store.Standing.Leads && st.Store.Standing.Leader != ""
	})
	t.Logf("%s follows %s after the network was mended", old.name, took.Round(10*time.Millisecond))
	p.judged()
	p.chains()
}

// A follower is killed: the leader goes on, moves with two of three vantages, and
// the follower catches up when it is back.
func TestInsideMemberLost(t *testing.T) {
	inside(t)
	p := newPlace(t)
	first, others := p.settled()
	others[0].kill()
	p.breakHome()
	p.moved([]*controller{first, others[1]})
	if now := leader(p.nodes); now != first {
		t.Error("the leadership has changed, though the leader lives")
	}
	others[0].start()
	p.until("the lost member has caught up", func() bool {
		st, ok := others[0].status()
		if !ok || !st.Store.Store.Quorum || len(st.Store.Controllers) != 3 {
			return false
		}
		for _, a := range st.Federations[0].Apps {
			if a.Region != standby {
				return false
			}
		}
		return true
	})
	p.judged()
	p.chains()
}

// Two of three are killed: nothing is moved by itself in an outage, the one that
// is left says so loudly and still answers; when one comes back, the move is made.
func TestInsideQuorumLost(t *testing.T) {
	inside(t)
	p := newPlace(t)
	first, others := p.settled()
	left := others[0]
	first.kill()
	others[1].kill()
	lost := time.Now()
	p.until("the one that is left knows that it is alone", func() bool {
		st, ok := left.status()
		return ok && !st.Store.Store.Quorum && !st.Store.Standing.Leads && st.Store.Standing.Leader == "" && st.finds("store-unavailable")
	})
	t.Logf("%s says that it has no majority %s after the other two were lost", left.name, time.Since(lost).Round(10*time.Millisecond))
	p.breakHome()
	out, err := left.command("status", "--output", "json").CombinedOutput()
	if err != nil {
		t.Errorf("status without a majority: %v", err)
	}
	for _, words := range []string{"no majority of the members answers: nothing is moved, and what is shown may be old", "bring the other controllers back", `"AWS Production"`} {
		if !strings.Contains(string(out), words) {
			t.Errorf("status without a majority lacks %q", words)
		}
	}
	if out, err := left.command("move", "--to", standby, "--reason", "no majority").CombinedOutput(); err == nil || !strings.Contains(string(out), "no controller leads now") {
		t.Errorf("a move without a majority: %v\n%s", err, out)
	}
	broken := time.Now()
	p.until("three leases have passed", func() bool { return time.Since(broken) > 3*leaseTime })
	if n := len(p.writes()); n != 0 {
		t.Errorf("%d writes without a majority", n)
	}
	if t.Failed() {
		t.Logf("status:\n%s", out)
	}
	others[1].start()
	back := time.Now()
	var next *controller
	p.until("one of two leads", func() bool { next = leader(p.nodes); return next != nil })
	t.Logf("%s leads %s after a second controller was started", next.name, time.Since(back).Round(10*time.Millisecond))
	p.moved([]*controller{left, others[1]})
	p.chains()
}
