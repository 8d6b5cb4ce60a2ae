package fleet

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// joined is what is known of which app signs in through which provider: by the
// id in the app's endpoint, and by issuer and certificate.
type joined struct {
	f         *Fleet
	reads     []inventory.AppRead
	known     map[string]inventory.Provider  // by ARN
	providers []string                       // the federation's, in its order
	apps      map[string][]inventory.AppRead // by provider
	own       map[string]string              // provider -> its id, if an app's endpoint ends with it
	strays    []inventory.AppRead            // apps whose id nobody has, as far as is known
	plain     bool                           // some app that moves has no suffix
}

// fixed reports whether an app's endpoint never moves.
func (f *Fleet) fixed(app federation.AppRef) bool {
	_, standby := f.Federation.Standby(app)
	return standby || len(f.Federation.StandbysOf(app)) > 0
}

func (f *Fleet) join(apps []inventory.AppRead, known []inventory.Provider) *joined {
	j := &joined{f: f, reads: apps, known: map[string]inventory.Provider{}, apps: map[string][]inventory.AppRead{}, own: map[string]string{}}
	ids := map[string]string{} // provider by id
	for _, p := range known {
		j.known[p.ARN] = p
		if p.UUID != "" {
			ids[p.UUID] = p.ARN
		}
	}
	for _, a := range f.Federation.Accounts {
		for _, arn := range a.Providers {
			// Nothing known at all: the providers were not looked at.
			if _, exists := j.known[arn]; exists || !a.Found || len(known) == 0 {
				j.providers = append(j.providers, arn)
			}
		}
	}
	for _, a := range apps {
		switch arn := ids[a.ACS.Suffix()]; {
		case a.ACS.Suffix() == "":
			j.plain = j.plain || !f.fixed(a.Ref)
		case arn == "":
			j.strays = append(j.strays, a)
		case !f.fixed(a.Ref):
			j.own[arn] = a.ACS.Suffix()
		}
	}
	for _, arn := range j.providers {
		p := j.known[arn]
		j.apps[arn] = j.whose(func(a inventory.AppRead) bool { return trusts(p, a) })
		if len(j.apps[arn]) == 0 { // meant for them, with another key
			j.apps[arn] = j.whose(func(a inventory.AppRead) bool { return a.Issuer != "" && a.Issuer == p.Issuer })
		}
	}
	return j
}

func (j *joined) whose(fits func(inventory.AppRead) bool) []inventory.AppRead {
	return slices.DeleteFunc(slices.Clone(j.reads), func(a inventory.AppRead) bool { return !fits(a) })
}

// trusts reports whether a provider lets in whom the app signs for: AWS compares
// issuer and certificate (IAM User Guide, "Troubleshoot SAML federation").
func trusts(p inventory.Provider, a inventory.AppRead) bool {
	return a.Issuer != "" && p.Issuer == a.Issuer && slices.ContainsFunc(a.Certificates, func(c []byte) bool {
		return slices.ContainsFunc(p.Certificates, func(have []byte) bool { return bytes.Equal(c, have) })
	})
}

// staysPut reports whether all that sign in through a provider are apps whose
// endpoints never move. With every app known a provider may be nobody's.
func (j *joined) staysPut(arn string) bool {
	if len(j.f.Federation.Standbys) == 0 {
		return false
	}
	if len(j.apps[arn]) == 0 {
		return !slices.ContainsFunc(j.f.Federation.Members(), func(ref federation.AppRef) bool { return j.read(ref).Issuer == "" })
	}
	return !slices.ContainsFunc(j.apps[arn], func(a inventory.AppRead) bool { return !j.f.fixed(a.Ref) })
}

// nameless are the providers whose id is not known.
func (j *joined) nameless() []string {
	return slices.DeleteFunc(slices.Clone(j.providers), func(arn string) bool { return j.known[arn].UUID != "" })
}

// doubt says why it is not known where a provider's sign-ins arrive, nil if it
// is.
func (j *joined) doubt(arn string) *finding.Finding {
	out := &finding.Finding{Code: finding.RoleNotReady, Subject: arn, What: "at which endpoint the provider's sign-ins arrive is not known"}
	if len(j.strays) > 0 && slices.Contains(j.nameless(), arn) {
		out.Why = "the endpoint of app " + j.strays[0].Ref.Name + " ends in the id " + j.strays[0].ACS.Suffix() + ", and the provider's own id could not be read"
		out.Remedy = "give the account's scan_role iam:GetSAMLProvider, then run: samlfailover trust scan"
		return out
	}
	if len(j.apps[arn]) > 0 {
		return nil
	}
	for _, ref := range j.f.Federation.Members() {
		if j.f.fixed(ref) && j.read(ref).Issuer == "" {
			out.Why = "issuer and certificate of app " + ref.Name + " could not be read, so it may be that app's"
			out.Remedy = "see whether the IdP answers, then run: samlfailover trust scan"
			return out
		}
	}
	return nil
}

// read returns an app as last read, zero if it was not.
func (j *joined) read(ref federation.AppRef) inventory.AppRead {
	i := slices.IndexFunc(j.reads, func(a inventory.AppRead) bool { return a.Ref.String() == ref.String() })
	if i < 0 {
		return inventory.AppRead{Ref: ref}
	}
	return j.reads[i]
}

// noteCodes are the codes of notes.
func noteCodes() []finding.Code {
	return []finding.Code{finding.ProviderIDUnknown, finding.StandbyUnusable, finding.AppIdentityUnknown, finding.AppWithoutProvider, finding.ProviderStale,
		finding.EncryptionRequired, finding.ACSValidator}
}

// notes are what is wrong with apps whatever the roles say.
func (j *joined) notes() []finding.Finding {
	var out []finding.Finding
	if len(j.nameless()) == 0 {
		for _, a := range j.strays {
			out = append(out, finding.Finding{Code: finding.ProviderIDUnknown, Subject: "app " + a.Ref.Name,
				What: "the app's endpoint names a SAML provider that none of the federation's accounts has, so AWS refuses its sign-ins",
				Why:  "a provider that was deleted and made again has another id", Remedy: "take the sign-in URL from the SAML provider's page in IAM",
				Evidence: map[string]string{"endpoint": a.ACS.String()}})
		}
	}
	for _, s := range j.f.Federation.Standbys {
		if why := j.unfit(s); why != nil {
			out = append(out, *why)
		}
	}
	for _, a := range j.reads {
		for _, f := range a.Findings {
			if f.Code == finding.ACSValidator { // the IdP would refuse a Region's endpoint
				out = append(out, f)
			}
		}
	}
	return append(out, j.uncompared()...)
}

// unfit says why nobody gets in through a standby app, as far as app and
// providers tell.
func (j *joined) unfit(s federation.Standby) *finding.Finding {
	a := j.read(s.App)
	out := &finding.Finding{Subject: "app " + s.App.Name}
	switch {
	case a.ReadAt.IsZero():
		out.Code, out.What, out.Remedy = finding.StandbyUnusable, "the standby app could not be read", "see whether the IdP answers, and whether the id in the config is right"
		return out
	case a.ACS.IsZero() || a.ACS.Region() != s.Region:
		out.Code, out.What = finding.StandbyUnusable, "the standby app does not sign in at "+s.Region.String()
		out.Why, out.Remedy = fmt.Sprintf("its endpoint is %q", a.ACSText), "set its endpoint to that of "+s.Region.String()+" in the IdP, or correct standby in the config"
		return out
	case a.Issuer == "":
		out.Code, out.What, out.Remedy = finding.AppIdentityUnknown, "the standby app's issuer and certificate could not be read", "see whether the IdP answers, then run: samlfailover trust scan"
		return out
	}
	sameIssuer := ""
	for _, arn := range j.providers {
		if trusts(j.known[arn], a) {
			return nil
		}
		if j.known[arn].Issuer == a.Issuer {
			sameIssuer = arn
		}
	}
	if sameIssuer != "" {
		out.Code, out.What = finding.ProviderStale, "a SAML provider knows the standby app's issuer and not its certificate, so AWS refuses sign-ins through it"
		out.Why, out.Remedy = "the app's signing key was changed, or the provider has the metadata of another app", "download the app's metadata and update the provider with it"
		out.Evidence = map[string]string{"provider": sameIssuer}
		return out
	}
	out.Code, out.What = finding.AppWithoutProvider, "no SAML provider of the federation's accounts trusts the standby app"
	out.Remedy = "make a SAML provider with the app's metadata in each account, and name it under providers in the config"
	return out
}

// group is an app that others stand in for: the providers of the app itself, and
// who serves which Region.
type group struct {
	app     federation.AppRef
	acs     signin.ACS
	own     []string
	serving map[signin.Region]server
}

// server is an app that serves a Region: its providers, or why it has none.
type server struct {
	app       federation.AppRef
	providers []string
	why       *finding.Finding
}

func (j *joined) groups(now time.Time) []group {
	var out []group
	for _, ref := range j.f.Federation.Apps {
		standbys := j.f.Federation.StandbysOf(ref)
		if len(standbys) == 0 {
			continue
		}
		a := j.read(ref)
		g := group{app: ref, acs: a.ACS, own: j.of(ref), serving: map[signin.Region]server{}}
		if !a.ACS.IsZero() {
			g.serving[a.ACS.Region()] = server{app: ref, providers: g.own}
		}
		for _, s := range standbys {
			g.serving[s.Region] = j.server(s, now)
		}
		out = append(out, g)
	}
	return out
}

// server is a standby app with the providers through which people get in.
func (j *joined) server(s federation.Standby, now time.Time) server {
	out := server{app: s.App, why: j.unfit(s)}
	if out.why != nil {
		return out
	}
	for _, arn := range j.of(s.App) {
		end := j.known[arn].ValidUntil
		if end.IsZero() || now.Before(end) {
			out.providers = append(out.providers, arn)
			continue
		}
		out.why = &finding.Finding{Code: finding.StandbyUnusable, Subject: "app " + s.App.Name, What: "the standby app's SAML provider has ended",
			Why: arn + " ended at " + end.UTC().Format(time.RFC3339), Remedy: "download the app's metadata and update the provider with it"}
	}
	return out
}

// of returns the providers that trust an app.
func (j *joined) of(ref federation.AppRef) []string {
	a := j.read(ref)
	return slices.DeleteFunc(slices.Clone(j.providers), func(arn string) bool { return !trusts(j.known[arn], a) })
}
