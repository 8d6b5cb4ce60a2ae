package idptest

import "testing"

// A case without a saboteur proves nothing; a saboteur for no case is dead.
func TestEveryCaseHasASaboteur(t *testing.T) {
	t.Parallel()
	caught := map[string]bool{}
	for _, s := range Saboteurs() {
		caught[byName(s.Case).Name] = true
	}
	for _, c := range Cases() {
		if !caught[c.Name] {
			t.Errorf("case %q has no saboteur", c.Name)
		}
		if c.Reason == "" {
			t.Errorf("case %q has no reason", c.Name)
		}
	}
}
