package store

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The keys, below the store's prefix. A name from outside is escaped, so that no
// two names share a key and none leaves its place.
//
//	root                                     bound: the store itself
//	election/LEASE                           etcd's election
//	brakes                                   bound: pauses and locks
//	journal/FEDERATION/head                  bound: the open move, the range of the past ones
//	journal/FEDERATION/open/record           signed: the open move as it began
//	journal/FEDERATION/open/note/APP/PHASE   signed
//	journal/FEDERATION/past/SEQ/PART         signed: an ended move, whole
//	moves/ID                                 signed: where a move is
//	inventory/FEDERATION/KIND/head           bound: which parts are in force
//	inventory/FEDERATION/KIND/GEN/ITEM/PART  encrypted
//	audit/head                               bound
//	audit/record/SEQ                         encrypted
//	controllers/NAME                         signed, leased
//	observations/VANTAGE/REGION              signed, leased
//	probes/VANTAGE/REGION/KIND/SLOT          signed
//	box/KIND/head                            bound: which records are in the box
//	box/KIND/item/KEY                        encrypted
//	once/KIND/DIGEST                         signed, leased
//	backup                                   signed
const (
	rootKey        = "root"
	electionPrefix = "election"
	brakesKey      = "brakes"
	auditHeadKey   = "audit/head"
	backupKey      = "backup"
)

// The limits of etcd that the layout keeps to.
const (
	maxOps   = 100     // operations in one transaction; etcd allows 128
	maxValue = 1 << 20 // bytes in one value; etcd allows 1.5 MiB in one request
)

// compactEvery is how long etcd keeps what a record was before.
const compactEvery = time.Hour

// opTimeout bounds one request to the store.
const opTimeout = 10 * time.Second

func under(parts ...string) string {
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = url.PathEscape(p)
	}
	return strings.Join(out, "/")
}

func journalHead(federation string) string { return under("journal", federation, "head") }
func openPrefix(federation string) string  { return under("journal", federation, "open") + "/" }
func openRecord(federation string) string  { return openPrefix(federation) + "record" }
func noteKey(federation, app, phase string) string {
	return openPrefix(federation) + under("note", app, phase)
}
func pastPrefix(federation string) string { return under("journal", federation, "past") + "/" }
func pastKey(federation string, seq uint64) string {
	return pastPrefix(federation) + number(seq)
}
func moveKey(id string) string { return under("moves", id) }

func inventoryHead(federation, kind string) string {
	return under("inventory", federation, kind, "head")
}
func generation(federation, kind string, gen uint64) string {
	return under("inventory", federation, kind) + "/" + number(gen) + "/"
}

func boxHeadKey(kind string) string { return under("box", kind, "head") }
func boxItems(kind string) string   { return under("box", kind, "item") + "/" }
func boxItemKey(kind, key string) string {
	return boxItems(kind) + under(key)
}

// boxKind returns the kind of box whose head has this name, "" if it is none.
func boxKind(name string) (string, error) {
	where := strings.Split(name, "/")
	if len(where) != 3 || where[0] != "box" || where[2] != "head" {
		return "", nil
	}
	return unescape(where[1])
}

func auditKey(seq uint64) string { return "audit/record/" + number(seq) }

// number writes numbers so that keys sort by them.
func number(n uint64) string { return fmt.Sprintf("%020d", n) }
