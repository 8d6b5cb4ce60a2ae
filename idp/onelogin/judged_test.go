package onelogin

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// What is remembered is what would be found again, refusals too, for each pattern
// its own, and of bounded size whatever a tenant holds.
func TestJudgementsAreJudges(t *testing.T) {
	t.Parallel()
	var j judgements
	var all sync.WaitGroup
	for range 2 {
		for _, pattern := range []string{`^https:\/\/signin\.aws\.amazon\.com\/saml$`, `^https:\/\/([a-z0-9-]+\.)?signin\.aws\.amazon\.com\/saml$`,
			`signin`, `(`, ``, `^https://foreign\.example/$`, strings.Repeat("a", longestPattern+1)} {
			all.Go(func() {
				want, wantErr := judge(pattern)
				got, err := j.of(pattern)
				if got.foreign != want.foreign || (got.whole == nil) != (want.whole == nil) || got.whole != nil && got.whole.String() != want.whole.String() || fmt.Sprint(err) != fmt.Sprint(wantErr) {
					t.Errorf("%q: %+v, %v; judge says %+v, %v", pattern, got, err, want, wantErr)
				}
			})
		}
		all.Wait()
	}
	if len(j.kept) != 6 {
		t.Errorf("%d are kept", len(j.kept))
	}
	for i := range 2 * mostJudged {
		_, _ = j.of(fmt.Sprintf("(%d", i))
		if len(j.kept) > mostJudged {
			t.Fatalf("%d are kept", len(j.kept))
		}
	}
}
