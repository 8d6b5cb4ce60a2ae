package onelogin

import "time"

// KeyReading is what becomes of a key that the API does not know.
type KeyReading string

// The three readings. An empty one is Dropped.
const (
	Dropped KeyReading = "dropped"
	Stored  KeyReading = "stored"
	Refused KeyReading = "refused" // 422
)

// Readings decide what OneLogin's documents leave open. The zero value is the
// likely reading of each; a client must be safe under both. No live account was
// asked about any of them.
type Readings struct {
	// ConfigurationReplaces makes a PUT's configuration the whole new one; else
	// it is merged key by key. ParametersReplace does the same to the fields of
	// a parameter that is sent; parameters left out always stay.
	ConfigurationReplaces bool
	ParametersReplace     bool
	// UnknownConfiguration is about configuration keys that neither the
	// connector nor the app has, UnknownKeys about top-level ones.
	UnknownConfiguration KeyReading
	UnknownKeys          KeyReading
	// RefuseReadOnly answers 422 to a read-only key (id, sso, a label of a
	// parameter that exists, ...); else it is ignored.
	RefuseReadOnly bool
	// AnswerOnlyID answers a PUT with {"id":...}; else with the app.
	AnswerOnlyID bool
	// ListFull shows configuration and parameters in lists.
	ListFull bool
	// CursorAtEnd sends After-Cursor with the last page too; the page behind it
	// is empty.
	CursorAtEnd bool
	// UpdatedAtStays leaves updated_at alone where a write changes nothing but
	// configuration or parameters.
	UpdatedAtStays bool
	// ValidatorRefusesWrite answers 422 where consumer_url would not match
	// validator; ValidatorIgnored lets sign-in go on all the same. The likely
	// reading is that the write works and sign-in does not.
	ValidatorRefusesWrite bool
	ValidatorIgnored      bool
	// ExpiresInIsLeft answers a repeated token request with the seconds that
	// are left as expires_in, beside the old created_at.
	ExpiresInIsLeft bool
	// ScopeIs401 answers 401 where the credential's scope is too small; else 403.
	ScopeIs401 bool
	// OldErrors answers 404 and 429 of v2 in the form of v1.
	OldErrors bool
	// NoRateHeaders leaves the rate headers out of v2's answers; RetryAfter adds
	// that header to a 429.
	NoRateHeaders bool
	RetryAfter    bool
	// ReadLag is how long reads still show an app as it was before a write.
	ReadLag time.Duration
	// SignOnLag is how long sign-on still uses an app as it was before a write.
	SignOnLag time.Duration
}

// Harsh is the reading of everything that asks most of a client.
func Harsh() Readings {
	return Readings{ConfigurationReplaces: true, ParametersReplace: true, UnknownConfiguration: Refused, UnknownKeys: Refused,
		RefuseReadOnly: true, AnswerOnlyID: true, CursorAtEnd: true, UpdatedAtStays: true, ValidatorRefusesWrite: true,
		ExpiresInIsLeft: true, ScopeIs401: true, OldErrors: true, NoRateHeaders: true, ReadLag: 2 * time.Second, SignOnLag: 2 * time.Second}
}
