package pingone

import "time"

// Readings decide what PingOne's documents leave open. The zero value is the
// likely reading of each; a client must be safe under both. No live tenant was
// asked about any of them.
type Readings struct {
	// RefuseReadOnlyKeys answers 400 to a PUT that carries _links, id,
	// environment, createdAt or updatedAt, instead of ignoring them.
	RefuseReadOnlyKeys bool
	// TemplateOverridesACS lets a catalogue app sign in at the acsUrl of its
	// template.configuration (the key's name is ours), whatever acsUrls says:
	// the admin API then shows a move that sign-on does not follow.
	TemplateOverridesACS bool
	// OwnerCannotList and OwnerCannotMap take from the role Application Owner
	// the list of applications and the writing of attribute mappings.
	OwnerCannotList bool
	OwnerCannotMap  bool
	// DropNameFormat forgets the nameFormat of custom attribute mappings.
	DropNameFormat bool
	// ConflictIs409 answers 409 where a name or an entity id is taken; else 400
	// INVALID_DATA with the detail UNIQUENESS_VIOLATION.
	ConflictIs409 bool
	// UnknownCodes replaces every error code that no document shows: clients
	// are told to look at the status class.
	UnknownCodes bool
	// HALContentType answers application/hal+json;charset=UTF-8; else
	// application/json, as in the OpenAPI description.
	HALContentType bool
	// PageSize of the list of applications; 0 = all on one page, as in the
	// documented example. NoCounts leaves count and size out of lists.
	PageSize int
	NoCounts bool
	// ReadLag is how long reads still show an application as it was before a
	// write; the answer of the write itself is new.
	ReadLag time.Duration
	// RoleLag is how long a role that was granted answers 403.
	RoleLag time.Duration
	// SignOnLag is how long sign-on still uses an application as it was before a
	// write.
	SignOnLag time.Duration
}

// Harsh is the reading of everything that asks most of a client. Its lags need
// a client that polls for some seconds.
func Harsh() Readings {
	return Readings{RefuseReadOnlyKeys: true, TemplateOverridesACS: true, OwnerCannotList: true, OwnerCannotMap: true,
		DropNameFormat: true, ConflictIs409: true, UnknownCodes: true, HALContentType: true, PageSize: 2, NoCounts: true,
		ReadLag: 2 * time.Second, SignOnLag: 2 * time.Second, RoleLag: 10 * time.Second}
}
