package config

import (
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/signin"
)

// The struct tags below are the single source of the decoder, the JSON Schema
// (Schema) and the reference page (Reference):
//
//	yaml     the key
//	doc      what the key is for, one sentence or two
//	required "true": the key must be there
//	default  the value when the key is absent
//	enum     the words allowed, separated by commas
//	min, max bounds: of a number, of a duration, or of the length of a list
//	pattern  the name of a pattern in patterns.go
//	digits   "true": a bare number is taken as text (ids are often all digits)
//	unique   "true": the items of a list must differ

// Config is a checked config: every reference in it resolves, every value is
// inside its bounds. Only Load and Parse make it. Read-only after that, so safe
// for concurrent use.
type Config struct {
	Network   Network
	AWS       AWS
	Tenants   []Tenant
	Health    Health
	Moves     Moves
	Store     Store
	Server    Server
	Schedules Schedules
	Freeze    []Freeze
	Slack     Slack
	Notify    []Sink
	Hooks     []Hook
	People    []Person
	Tokens    []SharedToken
	Groups    []Group
	Runbook   Runbook
	Audit     Audit
	// Warnings are doubts that do not stop the program, in the order of the file.
	Warnings []Problem

	file        string
	dir         string
	text        []byte   // the file as it was read
	included    []string // the other files that its lists were read from
	federations []federation.Federation
	places      places
}

// Path returns the name under which the config was loaded.
func (c *Config) Path() string { return c.file }

// Files returns every file that the config was read from.
func (c *Config) Files() []string { return append([]string{c.file}, c.included...) }

// Dir returns the absolute folder of the config: relative paths in it start
// here, and secret.Resolver.Dir wants it.
func (c *Config) Dir() string { return c.dir }

// Federations returns the federations in the order of the file, defaults
// filled in. The caller owns the slice, not what it points to.
func (c *Config) Federations() []federation.Federation {
	return append([]federation.Federation(nil), c.federations...)
}

// Tenant returns the tenant with this name.
func (c *Config) Tenant(name string) (Tenant, bool) {
	for _, t := range c.Tenants {
		if t.Name == name {
			return t, true
		}
	}
	return Tenant{}, false
}

// document is the file as it is written.
type document struct {
	Network     Network         `yaml:"network" doc:"How this program reaches the world."`
	AWS         AWS             `yaml:"aws" doc:"Base credentials for reading (and, with trust apply, writing) role trust policies. A move needs none of them."`
	Tenants     []Tenant        `yaml:"tenants" required:"true" min:"1" max:"50" doc:"Identity providers, each with its credential, once each."`
	Federations []federationDoc `yaml:"federations" required:"true" min:"1" max:"200" doc:"What moves together: apps, accounts, Regions and one policy (samlfailover idp apps finds them)."`
	Health      Health          `yaml:"health" doc:"How sign-in endpoints are probed."`
	Moves       Moves           `yaml:"moves" doc:"How long and how often a move tries before it leaves an app to people."`
	Store       Store           `yaml:"store" doc:"Where state is kept, and with which other controllers it is shared."`
	Server      Server          `yaml:"server" doc:"Whether, where and to whom the controller answers over the network."`
	Freeze      []Freeze        `yaml:"freeze" max:"100" doc:"Windows in which trust policies are not written (trust apply refuses while one holds) and, if they say so, nothing is moved."`
	Slack       Slack           `yaml:"slack" doc:"The Slack app through which people ask and decide, and where moves are told."`
	Notify      []Sink          `yaml:"notify" max:"20" doc:"Who is told of outages, proposals, moves and findings, and of which."`
	Hooks       []Hook          `yaml:"hooks" max:"50" doc:"URLs at which alerting systems may ask for a look, a proposal or a move; the rules decide."`
	People      []Person        `yaml:"people" max:"1000" doc:"Who may do what, and by which identities each person is known."`
	Tokens      []SharedToken   `yaml:"tokens" max:"200" doc:"Tokens of machines, or of several people: they can ask, and never approve. A person's own tokens stand under people."`
	Groups      []Group         `yaml:"groups" max:"200" doc:"Roles of those whom an OIDC issuer calls members of a group and whom nobody has mapped to a person: they never approve."`
	Schedules   Schedules       `yaml:"schedules" doc:"What runs by the clock, in UTC. It waits while a Region is suspect or a move is open."`
	Audit       Audit           `yaml:"audit" doc:"Where the audit record is copied to. The file in the data folder alone decides whether something may be done."`
	Runbook     Runbook         `yaml:"runbook" doc:"The paper for the day on which everything else is dead, written by the clock (samlfailover runbook export writes it at once)."`
}

// Network says how the program reaches the world.
type Network struct {
	Proxy                 string `yaml:"proxy" doc:"Forward proxy, such as http://proxy.example:3128, for everything that goes out but loopback; direct for none. Absent: HTTPS_PROXY and NO_PROXY of the environment. A URL that holds a password is given by reference, env:NAME or file:PATH."`
	CAFile                string `yaml:"ca_file" doc:"PEM file of the CA certificates to trust instead of the system's, relative to this file: for a network that intercepts TLS."`
	AllowEndpointOverride bool   `yaml:"allow_endpoint_override" default:"false" doc:"Obey AWS_ENDPOINT_URL variables and endpoint_url in shared AWS files. Off, they are ignored and named in the start log."`
}

// AWS is the base identity towards AWS. Without keys and profile, the SDK's own
// chain (environment, instance role) is used.
type AWS struct {
	Region          signin.Region   `yaml:"region" doc:"Regional STS for assume-role. Absent: the Regions of the federations, in their order."`
	FallbackRegions []signin.Region `yaml:"fallback_regions" unique:"true" max:"10" doc:"Where assume-role goes when that Region's STS does not answer."`
	AccessKeyID     KeyID           `yaml:"access_key_id" doc:"An access key id, or a reference env:NAME or file:PATH."`
	SecretAccessKey Ref             `yaml:"secret_access_key" doc:"Reference to the secret access key."`
	SessionToken    Ref             `yaml:"session_token" doc:"Reference to the session token of temporary keys."`
	Profile         string          `yaml:"profile" pattern:"profile" doc:"Profile in the shared AWS files, instead of keys."`
	IAMPace         int             `yaml:"iam_calls_per_second" default:"5" min:"1" max:"50" doc:"How many calls a second IAM gets from a scan or a trust apply, in each account. AWS publishes no limit; your own automation shares it."`
}

// Tenant is one tenant of an identity provider. URL is its origin, without a
// trailing slash. Token, ClientSecret and Secret are references, and which of
// them is there depends on the kind: Resolve turns it into the secret.
type Tenant struct {
	Name         string  `yaml:"name" required:"true" pattern:"name" doc:"Your word for the tenant; apps refer to it."`
	Kind         string  `yaml:"kind" required:"true" enum:"okta,onelogin,pingone,generic" doc:"The vendor. pingone is the PingOne platform, not PingOne for Enterprise. generic is a webhook of your own, for a vendor that has no adapter here."`
	URL          string  `yaml:"url" required:"true" doc:"The tenant's https origin, such as https://example.okta.com or https://example.onelogin.com: no path, no -admin host. PingOne: the API of its region, such as https://api.pingone.eu. Generic: the webhook's host."`
	Token        Ref     `yaml:"token" doc:"Okta: reference to the API token. Instead of oauth."`
	OAuth        OAuth   `yaml:"oauth" doc:"Okta: the service app to call the API as. Instead of token."`
	ClientID     string  `yaml:"client_id" pattern:"id" digits:"true" doc:"OneLogin: the id of the API credential. PingOne: the client id of the worker app."`
	ClientSecret Ref     `yaml:"client_secret" doc:"OneLogin and PingOne: reference to the secret that belongs to client_id."`
	PingOne      PingOne `yaml:"pingone" doc:"PingOne: the environment, and how the worker app proves itself."`
	Path         string  `yaml:"path" pattern:"path" doc:"Generic: what stands before /apps/ID in the webhook's URLs, such as /samlfailover. Absent: nothing."`
	Secret       Ref     `yaml:"secret" doc:"Generic: reference to the secret, at least 32 bytes, that both sides sign with."`
	Proof        Proof   `yaml:"proof" doc:"Okta, OneLogin and PingOne: the test user that shows what a moved app issues. Without it a move is proven by read-back only."`

	ProvenKinds []ProvenKind `yaml:"proven_kinds" max:"20" doc:"Kinds of app that a person has moved and moved back in this tenant. A kind of which it is not known what a write does to it is not written without."`
}

// OAuth is the credential of an Okta service app. PrivateKey is a reference:
// Resolve turns it into the secret.
type OAuth struct {
	ClientID   string `yaml:"client_id" required:"true" pattern:"id" doc:"The service app's client id."`
	PrivateKey Ref    `yaml:"private_key" required:"true" doc:"Reference to its private key: PEM, a JSON Web Key, or a JSON Web Key Set, which during a rotation holds both keys."`
	KeyID      string `yaml:"key_id" pattern:"kid" doc:"The key's id in Okta. A key in PEM needs it; of a set it names the key to try first."`
	DPoP       bool   `yaml:"dpop" default:"false" doc:"The service app requires proof of possession (DPoP)."`
}

// PingOne is what only a PingOne tenant has. AuthURL is an origin without a
// trailing slash, empty where the tenant's URL decides it.
type PingOne struct {
	Environment       string `yaml:"environment" required:"true" pattern:"uuid" doc:"The id of the environment that holds the AWS apps. An environment is one tenant."`
	WorkerEnvironment string `yaml:"worker_environment" pattern:"uuid" doc:"The id of the environment that the worker app lives in. Absent: the same."`
	ClientAuth        string `yaml:"client_auth" default:"basic" enum:"basic,post" doc:"The worker app's token endpoint authentication method: client secret basic or client secret post."`
	AuthURL           string `yaml:"auth_url" doc:"The https origin of the token endpoint. Absent: https://auth.pingone.eu beside https://api.pingone.eu, and so on."`
}

// Proof is the test user of a tenant. Password and ClientSecret are references:
// Resolve turns them into the secrets. User is empty where none is configured.
type Proof struct {
	User         string `yaml:"user" required:"true" pattern:"login" doc:"The test user's login. It needs the apps assigned, a role of the federation behind each, and no second factor."`
	Password     Ref    `yaml:"password" required:"true" doc:"Reference to the test user's password."`
	ClientID     string `yaml:"client_id" pattern:"id" digits:"true" doc:"OneLogin: the id of an API credential of its own, with the scope Authentication Only."`
	ClientSecret Ref    `yaml:"client_secret" doc:"OneLogin: reference to the secret that belongs to that client_id."`
	SignOnPath   string `yaml:"sign_on_path" pattern:"path" doc:"Where sign-on begins, not verified on a live tenant. Absent: /api/v1/authn (Okta), /api/2/saml_assertion (OneLogin), /saml20/idp/startsso below the environment (PingOne)."`
	SessionPath  string `yaml:"session_path" pattern:"path" doc:"Where the session begins, not verified on a live tenant. Absent: /login/sessionCookieRedirect (Okta), /flows below the environment (PingOne)."`
}

// ProvenKind says who found out, and when, that a kind of app survives a write.
type ProvenKind struct {
	Kind string `yaml:"kind" required:"true" pattern:"kind" doc:"The kind as the app list shows it, such as okta:amazon_aws."`
	By   string `yaml:"by" required:"true" pattern:"label" doc:"Who tried it."`
	On   Day    `yaml:"on" required:"true" doc:"The day on which it was tried, as 2026-11-21."`
}

// Proven returns the kinds of app that were proven in the tenant.
func (t Tenant) Proven() []string {
	var out []string
	for _, k := range t.ProvenKinds {
		out = append(out, k.Kind)
	}
	return out
}

// credential returns the secret of the tenant's kind, by key.
func (t Tenant) credential() (key string, ref Ref) {
	if t.ClientSecret != "" {
		return "client_secret", t.ClientSecret
	}
	if t.Secret != "" {
		return "secret", t.Secret
	}
	if t.OAuth.PrivateKey != "" {
		return "oauth.private_key", t.OAuth.PrivateKey
	}
	return "token", t.Token
}

// Health is how probes run.
type Health struct {
	Interval     time.Duration `yaml:"interval" default:"10s" min:"100ms" max:"5m" doc:"Time between two probes of an endpoint in calm times."`
	FastInterval time.Duration `yaml:"fast_interval" default:"1s" min:"50ms" max:"1m" doc:"The same while an endpoint is suspect: one probe failed and the others have not confirmed it yet."`
	Timeout      time.Duration `yaml:"timeout" default:"5s" min:"50ms" max:"1m" doc:"A probe that takes longer has failed."`
	Fall         int           `yaml:"fall" default:"3" min:"1" max:"100" doc:"Failures in a row that make an endpoint unhealthy."`
	Rise         int           `yaml:"rise" default:"6" min:"1" max:"1000" doc:"Successes in a row that make it healthy again."`
	Kinds        []string      `yaml:"kinds" default:"signin,sts,console" enum:"signin,sts,console" unique:"true" min:"1" doc:"What is probed: the sign-in host's metadata, the Regional STS, the console host."`
}

// Moves bound a move in time. How many apps move at once is each federation's
// parallel.
type Moves struct {
	Attempts     int           `yaml:"attempts" default:"6" min:"1" max:"50" doc:"Tries per app before it is left with the steps to do by hand."`
	FirstWait    time.Duration `yaml:"first_wait" default:"500ms" min:"10ms" max:"1m" doc:"Time between the first two tries; it doubles from there."`
	LongestWait  time.Duration `yaml:"longest_wait" default:"15s" min:"10ms" max:"10m" doc:"What that time grows to. A vendor that asks for more gets it."`
	StepTimeout  time.Duration `yaml:"step_timeout" default:"1m" min:"5s" max:"10m" doc:"One try of one app: reads, write and read-back."`
	CallDeadline time.Duration `yaml:"call_deadline" default:"15s" min:"2s" max:"1m" doc:"The most that one write may take. A write starts only while the leader's lease lasts longer, and a new leader waits so long before it goes on with an open move."`
	ProofTimeout time.Duration `yaml:"proof_timeout" default:"30s" min:"1s" max:"30s" doc:"How long a failover waits for the proof of its lead app before the other apps follow."`
}

// Schedules are cron lines in UTC, @hourly and the like, "@every 90m", or "off".
// AuditHeadFile is absolute after loading, "" for none.
type Schedules struct {
	HealthCheck   string `yaml:"health_check" default:"off" doc:"When every Region is probed at once and every federation decides on what was found, besides the probes' own pace (health.interval): a failure is confirmed within seconds, also where the interval is long. In the same form, @every 10s at the shortest. Also in an outage."`
	TrustScan     string `yaml:"trust_scan" default:"@hourly" doc:"When every account's roles are read: five cron fields in UTC, @hourly, @every 90m, or off."`
	Report        string `yaml:"report" default:"0 7 * * *" doc:"When the readiness report is written, in the same form."`
	AppReads      string `yaml:"app_reads" default:"@every 5m" doc:"When every app is read from its identity provider, also in an outage. Apps are read besides when a Region becomes suspect and before each write."`
	TokenCheck    string `yaml:"token_check" default:"@every 15m" doc:"When it is checked that every tenant still gives an access token, so that a move in an outage needs none."`
	AuditHead     string `yaml:"audit_head" default:"off" doc:"When the head of the audit record is appended to audit_head_file."`
	AuditHeadFile string `yaml:"audit_head_file" doc:"File that the audit record's head goes to, relative to this file: best on another machine's storage, so that a changed record can be told (audit verify --head)."`
	Drill         string `yaml:"drill" default:"off" doc:"Not available in this version: only off is accepted."`
}

type federationDoc struct {
	Name                string          `yaml:"name" required:"true" pattern:"name" doc:"The federation's name, as commands take it."`
	Mode                string          `yaml:"mode" default:"approve" enum:"observe,approve,auto" doc:"How far the controller goes on its own: it only says what it would do, it proposes and a person carries it out, or it moves by itself."`
	AcceptFewerVantages bool            `yaml:"accept_fewer_vantages" default:"false" doc:"Let auto act on fewer than three vantages: then a fault of our own network can look like an outage."`
	Regions             []signin.Region `yaml:"regions" required:"true" min:"2" max:"46" unique:"true" doc:"Regions where people may sign in, in order of preference; the first is home."`
	Apps                []appDoc        `yaml:"apps" required:"true" min:"1" max:"1000" doc:"The SAML apps that move."`
	Lead                string          `yaml:"lead" doc:"Name of the app that moves and is proved first: choose the on-call team's. Absent: the first listed."`
	Accounts            []accountDoc    `yaml:"accounts" max:"20000" doc:"The AWS accounts that people sign in to."`
	AccountsFile        string          `yaml:"accounts_file" doc:"YAML file with more accounts, a list in the form of accounts, relative to this file: for a list that another program writes. It is read again when it changes, as this file is, and nobody else may be able to change it."`
	Organization        organizationDoc `yaml:"organization" doc:"More of them, read from AWS Organizations at each trust scan. An account listed under accounts is as it says there; the management account belongs to the federation only if it is listed."`
	RelayState          string          `yaml:"relaystate" default:"keep" enum:"keep,set" doc:"What an app with an empty RelayState gets: it stays empty, or it is set to the console of the target Region."`
	RelayStateMap       []mappingDoc    `yaml:"relaystate_map" max:"1000" doc:"Exact landing pages that need an exact replacement."`
	MinReadyShare       float64         `yaml:"min_ready_share" default:"0.95" min:"0.01" max:"1" doc:"Share of roles that must be able to serve a Region before auto goes there, over share_over or else in every account. A person may go below it."`
	ShareOver           []string        `yaml:"share_over" unique:"true" max:"1000" doc:"ARNs of the roles over which min_ready_share is taken. Absent: over the roles of each account, and the account with the lowest share counts."`
	MustBeReady         []string        `yaml:"must_be_ready" unique:"true" max:"1000" doc:"ARNs of roles without which auto does not move."`
	InventoryMaxAge     time.Duration   `yaml:"inventory_max_age" default:"24h" min:"1m" max:"720h" doc:"Readiness older than this counts as unknown for auto; it never stops a person."`
	Cooldown            time.Duration   `yaml:"cooldown" default:"30m" min:"1s" max:"24h" doc:"Quiet time between two moves of auto. It never binds a person."`
	Budget              int             `yaml:"budget" default:"2" min:"1" max:"20" doc:"Moves that auto may make in 24 hours; at the next one the federation drops to approve."`
	Prefer              string          `yaml:"prefer" default:"order" enum:"order,latency" doc:"How one of several good Regions is chosen: by the order above, or by the lowest latency before the incident."`
	Parallel            int             `yaml:"parallel" default:"4" min:"1" max:"64" doc:"Apps moved at the same time."`
	Approvals           int             `yaml:"approvals" default:"0" min:"0" max:"5" doc:"How many others have to approve what a person asks for. 0: an operator's move runs at once. What the controller proposes takes one at least."`
	ApprovalExpires     time.Duration   `yaml:"approval_expires" default:"30m" min:"1m" max:"24h" doc:"How long a proposal waits for approvals."`
	EscalateAfter       time.Duration   `yaml:"escalate_after" min:"1m" max:"24h" doc:"In mode approve: after how long the controller carries out its own proposal that nobody has answered, by the rules of auto, and pages. Absent: never."`
	Exceptions          []exceptionDoc  `yaml:"exceptions" max:"1000" doc:"Roles and accounts that are kept out of Regions on purpose: their trust policies are not written for them, and they are counted apart."`
	OwnedBy             ownedByDoc      `yaml:"owned_by" doc:"Roles that other automation owns: they are never written, the change is printed for it instead."`
}

type appDoc struct {
	Name   string `yaml:"name" pattern:"label" doc:"Your word for the app, usually its label in the identity provider. Absent: the id."`
	Tenant string `yaml:"tenant" required:"true" doc:"Name of the tenant it lives in."`
	ID     string `yaml:"id" required:"true" pattern:"id" digits:"true" doc:"The vendor's id of the app."`

	Standby []standbyDoc `yaml:"standby" max:"45" doc:"Other apps that stand in for this one, one per Region, each with an issuer, key and IAM SAML provider of its own. A move to such a Region changes no endpoint: it shows the standby app's tile."`
}

type standbyDoc struct {
	Region signin.Region `yaml:"region" required:"true" doc:"The Region that the standby app signs in at, for good."`
	Name   string        `yaml:"name" pattern:"label" doc:"Your word for it: best the label of its tile, since people are told to open it by this name. Absent: the id."`
	Tenant string        `yaml:"tenant" required:"true" doc:"Name of the tenant it lives in: Okta, PingOne or OneLogin."`
	ID     string        `yaml:"id" required:"true" pattern:"id" digits:"true" doc:"The vendor's id of the standby app."`
	Unhide bool          `yaml:"unhide" doc:"A move may show the tile, and hide it when it moves on. Without it the tile is only looked at, and people are told to do it."`
}

type accountDoc struct {
	ID          string   `yaml:"id" required:"true" pattern:"account" digits:"true" doc:"Twelve digits."`
	Name        string   `yaml:"name" pattern:"label" doc:"Your word for the account."`
	Providers   []string `yaml:"providers" required:"true" min:"1" max:"100" doc:"ARNs of the account's IAM SAML providers that belong to this federation."`
	ScanRole    string   `yaml:"scan_role" doc:"ARN of the role to assume for reading. Absent: the base credentials."`
	EnforceRole string   `yaml:"enforce_role" doc:"ARN of the role that trust apply assumes for writing. Absent: the base credentials."`
	ExternalID  string   `yaml:"external_id" pattern:"external" doc:"External id that both roles ask for."`
}

type mappingDoc struct {
	From string            `yaml:"from" required:"true" doc:"The RelayState exactly as the app holds it."`
	To   signin.RelayState `yaml:"to" required:"true" doc:"What it becomes: an https URL on the console host of one of the federation's Regions. It applies when the app moves to that Region."`
}

type ownedByDoc struct {
	Names []string `yaml:"names" unique:"true" max:"1000" doc:"Patterns on role names; * and ? stand for any characters and any one."`
	Paths []string `yaml:"paths" unique:"true" max:"1000" doc:"Patterns on role paths, such as /terraform/*."`
	Tags  []string `yaml:"tags" unique:"true" max:"1000" doc:"Patterns on tags, key or key=value."`
}
