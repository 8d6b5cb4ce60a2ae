package onelogin

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/signin"
)

// longestPattern bounds a validator that is judged; the ones in use have some
// dozens of characters.
const longestPattern = 1000

// rule is what is known of a validator.
type rule struct {
	whole *regexp.Regexp
	// foreign is a text that the validator admits and that does not lead to
	// AWS's sign-in; "" when there is none.
	foreign string
}

// judge finds out what an app's "ACS (Consumer) URL Validator" admits. Whether
// OneLogin wants it to match the whole ACS or any part of it is not documented,
// so the answers are safe under both: an endpoint is admitted only if all of it
// matches, and a foreign host is looked for among all texts of which any part
// matches. An app without a validator admits everything. An error says why the
// pattern cannot be judged.
func judge(pattern string) (rule, error) {
	whole, err := compiled(pattern)
	if err != nil {
		return rule{}, err
	}
	foreign, err := outside(pattern, harmless())
	return rule{whole, foreign}, err
}

// compiled returns the pattern as one that matches whole texts.
func compiled(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > longestPattern {
		return nil, fmt.Errorf("it is longer than %d characters", longestPattern)
	}
	// Compiled by itself first: a stray bracket must not pair with ours.
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, fmt.Errorf("it is a regular expression of a kind that is not understood here: %w", err)
	}
	whole, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return nil, fmt.Errorf("it is a regular expression of a kind that is not understood here: %w", err)
	}
	return whole, nil
}

// harmless matches every text that leads to a sign-in host of AWS, whatever
// stands before the host's own name: whoever owns a domain owns all below it.
// Plain http counts as harmless: the question is whose host it is.
func harmless() string {
	var names []string
	for _, e := range signin.Catalogue() {
		if name := regexp.QuoteMeta(domain(e)); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return `^(?i:https?://(?:[a-z0-9._-]*\.)?(?:` + strings.Join(names, "|") + `)(?::[0-9]+)?)(?:[/?#].*)?$`
}

// domain is the name below which a partition's sign-in hosts stand.
func domain(e signin.Endpoint) string {
	return strings.TrimPrefix(e.SignInHost, e.Region.String()+".")
}

// advice says what the validator should be: exactly the endpoints of the app's
// partition, those of providers with an endpoint of their own included.
func advice(r signin.Region) string {
	e, ok := r.Endpoint()
	if !ok {
		e, _ = signin.MustRegion("us-east-1").Endpoint()
	}
	host := strings.ReplaceAll(domain(e), ".", `\.`)
	return fmt.Sprintf(`set the ACS (Consumer) URL Validator in OneLogin to ^https:\/\/([a-z0-9-]+\.)?%s\/saml(\/acs\/[A-Z0-9]+)?$`, host)
}

var errTooMany = errors.New("it is too complicated to be judged")
