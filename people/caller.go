package people

// Way is how a caller has proved who it is.
type Way string

// The ways.
const (
	Socket      Way = "socket"       // the local socket: the kernel names the OS user
	CLI         Way = "cli"          // a command that runs without a controller
	Watch       Way = "watch"        // trust watch, a process that goes on by itself
	Token       Way = "token"        // a token of one person
	SharedToken Way = "shared-token" // a token of a machine or of several people: it cannot approve
	Certificate Way = "certificate"  // a TLS client certificate of one person
	OIDC        Way = "oidc"         // a bearer token of an OIDC issuer
	Slack       Way = "slack"        // a signed request of Slack, of a mapped (team, user)
	Hook        Way = "hook"         // a webhook of another system: it can only ask
)

// Caller is who asks, as the door that let it in has checked. The zero value is
// nobody: it has no role. Values are read-only, so safe for concurrent use.
type Caller struct {
	// Person is the person's name in the config, the same for each way in that
	// this person has; "" is no person (a shared token, a hook, a person nobody
	// mapped).
	Person string
	// Name is what records and messages show: the person, the OS user, or the
	// name of the token or hook.
	Name string
	// Way is how it was proved, ID the proof's own name for the caller, such as
	// "T024BE7LD/U2147483697" in Slack. Neither is a secret.
	Way Way
	ID  string
	// Grants are its roles.
	Grants Grants
}

// Local is the OS user who uses this machine's own socket or files: whoever can
// open them has the keys already.
func Local(user string, way Way) Caller {
	return Caller{Person: "", Name: user, Way: way, ID: user, Grants: Grants{Everywhere: Admin}}
}

// Role returns the caller's role in a federation, "" for none. The federation ""
// asks for the role in every federation.
func (c Caller) Role(federation string) Role { return c.Grants.In(federation) }

// May reports whether the caller has a role, or more, in a federation; "" asks
// for all federations.
func (c Caller) May(need Role, federation string) bool { return c.Role(federation).Includes(need) }

// String names the caller in records: "ada via socket".
func (c Caller) String() string {
	if c.Name == "" {
		return "unknown via " + string(c.Way)
	}
	return c.Name + " via " + string(c.Way)
}

// Sees reports whether the caller may know that a federation exists (spec 13.5).
func (c Caller) Sees(federation string) bool { return c.May(Viewer, federation) }
