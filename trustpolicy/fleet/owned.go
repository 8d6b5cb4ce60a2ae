package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// neverTag keeps a role out of our hands, whatever its value.
const neverTag = "samlfailover:never"

// ownedByName says why other automation owns a role of this name and path, or "".
func ownedByName(o federation.OwnedBy, name, path string) string {
	for _, pattern := range o.Names {
		if trustpolicy.Like(pattern, name) {
			return fmt.Sprintf("its name matches owned_by.names %q", pattern)
		}
	}
	for _, pattern := range o.Paths {
		if trustpolicy.Like(pattern, path) {
			return fmt.Sprintf("its path %s matches owned_by.paths %q", path, pattern)
		}
	}
	return ""
}

// ownedByTag says why other automation owns a role with these tags, or "".
func ownedByTag(o federation.OwnedBy, tags map[string]string) string {
	if _, ok := tags[neverTag]; ok {
		return "it is tagged " + neverTag
	}
	for _, pattern := range o.Tags {
		key, value, both := strings.Cut(pattern, "=")
		for _, have := range slices.Sorted(maps.Keys(tags)) {
			if trustpolicy.Like(key, have) && (!both || trustpolicy.Like(value, tags[have])) {
				return fmt.Sprintf("its tag %s matches owned_by.tags %q", have, pattern)
			}
		}
	}
	return ""
}
