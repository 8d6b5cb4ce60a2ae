package finding

import "sort"

// Registered describes a code for people: the generated docs/findings.md.
type Registered struct {
	Code     Code
	Severity Severity
	Title    string
}

// The codes. Each one that the product can produce stands here.
const (
	ForeignACS         Code = "foreign-acs"
	ForeignRelayState  Code = "foreign-relaystate"
	ForeignLink        Code = "foreign-link"
	RelayOtherRegion   Code = "relaystate-other-region"
	RelayRegionalThing Code = "relaystate-regional-resource"
	RelayOtherService  Code = "relaystate-other-service"
	RelayNoConsole     Code = "relaystate-no-console"
	ChangedMeanwhile   Code = "changed-meanwhile"
	LostUpdate         Code = "lost-update"
	NotVisible         Code = "write-not-visible"
	NotSAML            Code = "not-saml"
	UnsupportedKind    Code = "unsupported-app-kind"
	UnprovenKind       Code = "unproven-kind"
	ACSDisagrees       Code = "acs-disagrees"
	ACSValidator       Code = "acs-validator"
	RecipientEmpty     Code = "recipient-empty"
	AppNotFound        Code = "app-not-found"
	AppInactive        Code = "app-inactive"
	OtherPartition     Code = "other-partition"
	AudienceIsEndpoint Code = "audience-is-endpoint"
	LaterEdit          Code = "later-edit-kept"
	SnapshotMissing    Code = "snapshot-missing"
	SigningKeyUnknown  Code = "signing-key-unknown"
	IdPAuth            Code = "idp-auth"
	IdPPermission      Code = "idp-permission"
	IdPFeature         Code = "idp-feature"
	IdPRejected        Code = "idp-rejected"
	IdPThrottled       Code = "idp-throttled"
	IdPReadOnly        Code = "idp-read-only"
	IdPUnreachable     Code = "idp-unreachable"
	IdPAnswer          Code = "idp-answer"
	TooLarge           Code = "answer-too-large"
	TooDeep            Code = "answer-too-deep"
	SoleVantage        Code = "sole-vantage"
	AudTooWide         Code = "aud-too-wide"
	RoleNotReady       Code = "role-not-ready"
	RoleExcepted       Code = "role-excepted"
	ExceptionExpired   Code = "exception-expired"
	ExceptionEnding    Code = "exception-ending"
	ReadinessDropped   Code = "readiness-dropped"
	RegionNotEnabled   Code = "region-not-enabled"
	RegionsUnreadable  Code = "regions-unreadable"
	RegionInUse        Code = "region-in-use"
	EncryptionRequired Code = "encryption-required"
	ServingWrites      Code = "serving-can-write"
	ServingUnverified  Code = "serving-unverified"
	TrustRefused       Code = "trust-edit-refused"
	TrustProtected     Code = "trust-protected"
	TrustOwned         Code = "trust-owned-elsewhere"
	TrustTooLarge      Code = "trust-too-large"
	TrustDeletedRef    Code = "trust-deleted-principal"
	TrustMismatch      Code = "trust-read-back-mismatch"
	TrustDrift         Code = "trust-drift"
	TrustForeign       Code = "trust-changed-elsewhere"
	TrustRunAltered    Code = "trust-run-altered"
	NeedsApprover      Code = "needs-approver"
	AccountUnreadable  Code = "account-unreadable"
	IAMSilent          Code = "iam-silent"
	OrganizationUnread Code = "organization-unreadable"
	AccountLeftOut     Code = "account-left-out"
	ProviderUnreadable Code = "provider-unreadable"
	ProviderMissing    Code = "provider-missing"
	ProviderWithoutApp Code = "provider-without-app"
	ProviderStale      Code = "provider-certificate"
	ProviderExpiring   Code = "provider-expiring"
	OnlyUSEast1        Code = "only-us-east-1"
	ProviderIDUnknown  Code = "provider-id-unknown"
	AppIdentityUnknown Code = "app-identity-unknown"
	AppWithoutProvider Code = "app-without-provider"
	RoleWithoutApp     Code = "role-without-app"
	MoveIncomplete     Code = "move-incomplete"
	MoveHeld           Code = "move-held"
	ProofMissing       Code = "proof-missing"
	BudgetSpent        Code = "move-budget-spent"
	ProposalEscalated  Code = "proposal-escalated"
	MoveFrozen         Code = "move-frozen"
	AppDrifted         Code = "app-drifted"
	AppLocked          Code = "app-locked"
	StandbyUnusable    Code = "standby-unusable"
	TileByHand         Code = "tile-by-hand"
	NotMember          Code = "not-a-member"
	LeaderLost         Code = "leader-lost"
	RecordMissing      Code = "record-missing"
	NotLeader          Code = "not-leader"
	AuditCopy          Code = "audit-copy-missing"
	AuditForeign       Code = "audit-copy-foreign"
	RunbookStale       Code = "runbook-not-written"
	StoreIntegrity     Code = "store-integrity"
	StoreUnavailable   Code = "store-unavailable"
	StoreFolder        Code = "store-folder"
	StoreFull          Code = "store-full"
	StoreCertificate   Code = "store-certificate"
	StoreBackup        Code = "store-backup"
	StoreSetup         Code = "store-setup"
	EndpointOverride   Code = "endpoint-override"
	NetworkSetup       Code = "network-setup"
	AddressRefused     Code = "address-refused"
	NotifySetup        Code = "notify-setup"
	NotifyFailing      Code = "notify-failing"
	HookSetup          Code = "hook-setup"
	ConfigInvalid      Code = "config-invalid"
	ConfigWritable     Code = "config-writable-by-others"
)

var register = byCode(list)

// list is the register; each package's codes are added here, in groups.
var list = []Registered{
	{ForeignACS, Page, "An app or a trust policy names a sign-in endpoint outside AWS's catalogue; the app is not written."},
	{ForeignRelayState, Page, "An app's RelayState leads to a host that is not AWS's; it is kept exactly as found."},
	{ForeignLink, Page, "An IdP answered with a link or redirect to another host; it was not followed."},
	{RelayOtherRegion, Info, "An app's RelayState is a deep link into another Region; it is kept."},
	{RelayRegionalThing, Warn, "An app's RelayState names a resource that exists in one Region only; it is kept."},
	{RelayOtherService, Info, "An app's RelayState leads to an AWS service that is not the console; it is kept."},
	{RelayNoConsole, Warn, "No console host is known for the target Region; the RelayState is kept."},
	{ChangedMeanwhile, Warn, "Somebody changed the app between our read and our write; nothing was written."},
	{LostUpdate, Page, "After our write the app is not what we meant: a value of somebody else was lost or changed."},
	{NotVisible, Page, "The IdP accepted a write that does not show up when it is read back."},
	{NotSAML, Warn, "The app does not sign in with SAML 2.0."},
	{UnsupportedKind, Warn, "This kind of app cannot be moved."},
	{UnprovenKind, Warn, "What a write does to all of this kind of app is not documented; it is not written until a person has tried it."},
	{ACSDisagrees, Warn, "The ACS-bearing fields of an app name different Regions."},
	{ACSValidator, Warn, "An IdP's own check of endpoints would refuse one that the app needs, or cannot be judged."},
	{RecipientEmpty, Info, "An app names no recipient; the IdP decides what the assertion says."},
	{AppNotFound, Page, "The IdP does not know an app that the config names."},
	{AppInactive, Warn, "An app is switched off in the IdP; nobody can sign in through it."},
	{OtherPartition, Warn, "The target Region belongs to another AWS partition than the app."},
	{AudienceIsEndpoint, Info, "An app's audience is a sign-in endpoint; it is left as it is."},
	{LaterEdit, Warn, "An undo kept a value that somebody changed after the move."},
	{SnapshotMissing, Info, "The whole document from before a move is not kept; only a full restore needs it."},
	{SigningKeyUnknown, Warn, "An app does not say which key signs its assertions, and a write could change it; it is not written."},
	{IdPAuth, Page, "The IdP refuses our credential."},
	{IdPPermission, Page, "Our credential lacks a permission in the IdP."},
	{IdPFeature, Page, "The IdP tenant lacks a feature that the call needs."},
	{IdPRejected, Page, "The IdP rejected what we sent."},
	{IdPThrottled, Warn, "The IdP limits our request rate."},
	{IdPReadOnly, Warn, "The IdP is in read-only mode."},
	{IdPUnreachable, Warn, "The IdP cannot be reached or answers with a server error."},
	{IdPAnswer, Warn, "The IdP answered something that is not what its API documents."},
	{TooLarge, Warn, "An answer is larger than the limit and was not read."},
	{TooDeep, Warn, "An answer is nested deeper than the limit and was not parsed."},
	{SoleVantage, Warn, "One vantage only: our own network fault can look like an outage."},
	{AudTooWide, Page, "A trust policy admits a sign-in endpoint on a host that is not AWS's."},
	{RoleNotReady, Warn, "A role does not admit logins at a standby Region."},
	{RoleExcepted, Info, "A role is kept out of a Region on purpose: an exception of the config says so."},
	{ExceptionExpired, Warn, "An exception of the config has ended; what it kept out counts again."},
	{ExceptionEnding, Warn, "An exception of the config ends within 30 days."},
	{ReadinessDropped, Page, "Suddenly far fewer roles are ready for a Region than at the scan before."},
	{RegionNotEnabled, Warn, "An account has not enabled an opt-in Region, so nobody can sign in to it there."},
	{RegionsUnreadable, Warn, "Which Regions an account has enabled could not be read."},
	{RegionInUse, Info, "People seem to work in a Region that is none of the federation's."},
	{EncryptionRequired, Warn, "An IAM SAML provider requires encrypted assertions, and the app's endpoint is not the provider's own."},
	{ServingWrites, Warn, "The identity that serves can write to IAM, or become one that can."},
	{ServingUnverified, Info, "Whether the identity that serves can write to IAM could not be found out."},
	{TrustRefused, Warn, "A trust policy cannot be edited provably safely."},
	{TrustProtected, Info, "A role that only AWS may change."},
	{TrustOwned, Warn, "A role that other automation owns; the change is printed for it instead."},
	{TrustTooLarge, Warn, "A trust policy would exceed the account's size quota."},
	{TrustDeletedRef, Warn, "A trust policy names a deleted principal; IAM rejects every rewrite of it."},
	{TrustMismatch, Page, "A trust policy does not read back as it was written."},
	{TrustDrift, Warn, "Roles that were ready for a Region are not any more, or lack audiences."},
	{TrustForeign, Warn, "Somebody else has changed a trust policy since we wrote it."},
	{TrustRunAltered, Page, "The audit record of a trust run is not what the main record says that it was."},
	{NeedsApprover, Warn, "A Deny statement keeps sign-ins out; the planned edit of it needs approval and is not written."},
	{AccountUnreadable, Warn, "An account could not be read."},
	{IAMSilent, Warn, "IAM's control plane does not answer, as in an outage of its Region: no role could be read, and what was known counts."},
	{OrganizationUnread, Warn, "AWS Organizations could not be asked for a federation's accounts; those of the last read count."},
	{AccountLeftOut, Info, "Accounts of the organization are not looked at: they are not active, or the management account is not named."},
	{ProviderUnreadable, Warn, "An IAM SAML provider could not be read, or its metadata cannot be understood."},
	{ProviderMissing, Warn, "An account has no SAML provider of the name that the config gives."},
	{ProviderExpiring, Warn, "The certificate or the metadata of an IAM SAML provider ends soon or has ended; sign-ins through it fail then."},
	{OnlyUSEast1, Warn, "Every sign-in arrives at us-east-1, and no role is ready for another Region."},
	{ProviderWithoutApp, Warn, "No app of the tenants signs in through an IAM SAML provider."},
	{ProviderStale, Warn, "An IAM SAML provider knows an app's issuer, but not the certificate that the app signs with."},
	{ProviderIDUnknown, Warn, "An app's sign-in endpoint names a SAML provider that none of the accounts has."},
	{AppIdentityUnknown, Warn, "The issuer and the certificate of an app could not be read."},
	{AppWithoutProvider, Warn, "No IAM SAML provider of the accounts trusts an app."},
	{RoleWithoutApp, Warn, "A role trusts a SAML provider that no app of the tenants signs in through."},
	{MoveIncomplete, Page, "A move ended before every app was moved."},
	{MoveHeld, Info, "A rule holds a move."},
	{ProofMissing, Warn, "A move could not be proved to the level that was asked for."},
	{ProposalEscalated, Page, "Nobody answered a proposal within escalate_after, and the controller carries it out."},
	{MoveFrozen, Page, "Apps stay in an unhealthy Region because a freeze window of the config holds every move."},
	{BudgetSpent, Page, "The controller moved a federation too often in a day; it now asks a person."},
	{AppDrifted, Warn, "Somebody else moved an app to a third Region; it is left alone."},
	{AppLocked, Warn, "A person has locked an app; no move or undo writes it."},
	{StandbyUnusable, Warn, "The app that stands in for another one in a Region is missing, cannot be read, or signs in elsewhere."},
	{TileByHand, Warn, "The tile of a standby app has to be shown or hidden by hand: the config does not allow it to us."},
	{NotMember, Page, "A record names an app or a Region that the config in force does not; it is not written."},
	{LeaderLost, Warn, "This controller is no longer the leader; it writes nothing more."},
	{RecordMissing, Page, "The audit record could not be written, so nothing was changed."},
	{NotLeader, Info, "Another controller leads, or none does; only the leader carries out what changes something."},
	{AuditCopy, Warn, "The store, or a sink outside, lacks audit records that the file of the controller's machine has."},
	{AuditForeign, Page, "A sink outside holds an audit record that the file of the controller's machine does not: it was set aside, changed or replaced."},
	{RunbookStale, Warn, "The runbook for people could not be written to its folder; the one that is there is of an earlier day."},
	{StoreIntegrity, Page, "A record in the store is not what was stored; nothing is moved on its word."},
	{StoreUnavailable, Page, "The store has no majority or cannot be reached; nothing is moved until it can."},
	{StoreFolder, Page, "The store's data folder cannot be used: it is held by another process, not writable, or damaged."},
	{StoreFull, Page, "The store is out of space or near it; records of a move may soon not fit."},
	{StoreCertificate, Page, "A certificate of the store has expired, will soon, or is not of the store's own CA."},
	{StoreBackup, Warn, "The store has no recent backup."},
	{StoreSetup, Page, "The store's settings cannot be used as they are."},
	{EndpointOverride, Warn, "The environment names an AWS endpoint of its own; it is ignored."},
	{NetworkSetup, Page, "Proxy or CA settings cannot be used."},
	{AddressRefused, Warn, "A URL of the config leads to an address of this machine, of a private network or of a metadata service; nothing was sent there."},
	{NotifySetup, Page, "A sink for notifications cannot be used as it is configured."},
	{NotifyFailing, Warn, "Notifications do not reach a sink, or some were given up."},
	{HookSetup, Page, "A hook cannot be used as it is configured."},
	{ConfigInvalid, Page, "The config has errors."},
	{ConfigWritable, Page, "The config file can be changed by other users."},
}

func byCode(in []Registered) map[Code]Registered {
	out := make(map[Code]Registered, len(in))
	for _, r := range in {
		out[r.Code] = r
	}
	return out
}

// Register returns every code with its title, sorted by code.
func Register() []Registered {
	out := append([]Registered(nil), list...)
	sort.Slice(out, func(i, j int) bool { return out[i].Code < out[j].Code })
	return out
}
