package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
)

// appReadWithin bounds the reads of apps for a run of the trust commands, and
// appsCountFor is how long a read of an earlier run is as good (spec 2.4).
const (
	appReadWithin = 15 * time.Second
	appsCountFor  = 24 * time.Hour
)

// appKeeper keeps the apps as last read; inventory.Keeper is one.
type appKeeper interface {
	LoadApps(federation string) (inventory.AppSnapshot, error)
}

// lastApps returns a federation's apps as last read, for whoever has to know
// their endpoints: as a controller has kept them, and where it has not, or not
// for a day, as they are now. What cannot be read either stays as it was kept,
// or is left out. Their issuers and certificates, which no controller keeps, are
// read now: readiness compares them with the SAML providers' (spec 6.3). The apps
// are looked up once, when they are first asked for.
func lastApps(f federation.Federation, kept appKeeper, vendors move.Vendors, log *slog.Logger) func(context.Context) []inventory.AppRead {
	var once sync.Once
	var out []inventory.AppRead
	return func(ctx context.Context) []inventory.AppRead {
		once.Do(func() { out = findApps(ctx, f, kept, vendors, log, appsCountFor, true) })
		return out
	}
}

// findApps reads the apps whose last read is older than that, and with identify
// who each is to AWS. An app of which that cannot be found out is as it was kept.
func findApps(ctx context.Context, f federation.Federation, kept appKeeper, vendors move.Vendors, log *slog.Logger, older time.Duration, identify bool) []inventory.AppRead {
	snap, err := kept.LoadApps(f.Name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("the apps as last read cannot be loaded", "federation", f.Name, "error", err)
	}
	ctx, cancel := context.WithTimeout(ctx, appReadWithin)
	defer cancel()
	found := make([]inventory.AppRead, len(f.Members()))
	var all sync.WaitGroup
	for i, ref := range f.Members() {
		at := slices.IndexFunc(snap.Apps, func(a inventory.AppRead) bool { return a.Ref.String() == ref.String() })
		if at >= 0 {
			found[i] = snap.Apps[at]
		}
		if time.Since(found[i].ReadAt) < older && !identify {
			continue
		}
		all.Go(func() {
			app, err := lookUp(ctx, ref, vendors[ref.Tenant], identify)
			if err != nil {
				log.Warn("an app could not be read for the trust policies", "app", ref.Name, "kept_from", found[i].ReadAt, "error", err)
			}
			if !app.ReadAt.IsZero() {
				found[i] = app
			}
		})
	}
	all.Wait()
	return slices.DeleteFunc(found, func(a inventory.AppRead) bool { return a.ReadAt.IsZero() })
}

// lookUp reads an app now and, if asked, who it is to AWS: which provider belongs
// to it, and whether that knows its key, follows from that.
func lookUp(ctx context.Context, ref federation.AppRef, v move.Vendor, identify bool) (inventory.AppRead, error) {
	if v.Tenant == nil {
		return inventory.AppRead{}, fmt.Errorf("tenant %q is not configured", ref.Tenant)
	}
	doc, err := v.Tenant.Read(ctx, idp.AppID(ref.ID))
	if err != nil {
		return inventory.AppRead{}, err
	}
	out := failover.AppState{Ref: ref, App: v.Codec.Describe(doc), ReadAt: doc.ReadAt}.Kept()
	who, able := v.Tenant.(idp.Identified)
	if !identify || !able {
		return out, nil
	}
	id, err := who.Identity(ctx, doc)
	out.Issuer, out.Certificates = id.Issuer, id.Certificates
	return out, err
}
