package failover

import (
	"fmt"
	"slices"
	"strings"
)

// checkStoreIntegrity holds while a record of the store cannot be trusted: the
// journal and the pauses are in it, so nobody knows what else was changed (spec
// 11.1).
func checkStoreIntegrity(v *view) ruling {
	bad := v.s.Distrusted
	if len(bad) == 0 {
		return pass("no record of the store is known to be changed")
	}
	const shown = 3
	var said []string
	for _, f := range bad[:min(shown, len(bad))] {
		said = append(said, f.Subject+": "+f.What)
	}
	if more := len(bad) - len(said); more > 0 {
		said = append(said, fmt.Sprintf("and %d more", more))
	}
	return hold(fmt.Sprintf("the store cannot be trusted: %s", strings.Join(said, "; ")),
		"a store that verifies: find out who can write to it, then restore the last backup (samlfailover store restore); no override can do it. The hand steps of a plan still work in the identity providers' own pages")
}

// checkConfigDisagree keeps auto from acting while two controllers would not
// decide the same (spec 11.5). A person's request was made with one config in
// mind and goes to the leader, which has one.
func checkConfigDisagree(v *view) ruling {
	all := v.s.Controllers
	differ := slices.ContainsFunc(all, func(c ControllerState) bool { return c.ConfigDigest != all[0].ConfigDigest })
	switch {
	case !differ:
		return pass("every controller that lives has the same config")
	case !v.auto:
		return pass("the controllers' configs differ, which binds auto only")
	}
	var said []string
	for _, c := range all {
		said = append(said, c.Name+" "+c.ConfigDigest)
	}
	return hold("the controllers run with different configs ("+strings.Join(said, ", ")+")", "the same config on all of them, or an operator: "+v.command(""))
}
