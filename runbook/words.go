package runbook

import (
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// howTo is the order of the work, in words for somebody who has never done it.
func (b Book) howTo() []string {
	lead := "the lead app"
	if len(b.Apps) > 0 {
		lead = "the lead app, " + b.Apps[0].App.Name + ","
	}
	return []string{
		"If a controller still answers (samlfailover status), let it do this: samlfailover move --to REGION --reason TEXT. If it answers and you work by hand all the same, pause it first, so that two do not move at once: samlfailover pause --reason TEXT.",
		"Call. Two people see more than one, and somebody must know that you change this.",
		"Choose the Region: the first of the table below that is not the broken one, that is there (see its first check), and for which the roles that you need are ready.",
		"Do " + lead + " first, alone, and see that it worked. If it did not, put it back and call.",
		"Then do the other apps in the order of the steps.",
		"Tell the people who sign in: the text is below each Region.",
		"Write down what you changed, to what and when. Whoever takes this up again has only that.",
	}
}

// goBack says how to undo the work.
func (b Book) goBack() []string {
	home := ""
	if len(b.Regions) > 0 {
		home = " (home is " + b.Regions[0].String() + ")"
	}
	return []string{
		"Go back only when the Region that you left has been healthy for some hours" + home + ". Nobody has to hurry.",
		"Set every field that you changed to what it was before you changed it: your notes, or else the values below, as samlfailover last read them.",
		"Begin with the lead app, and see that it worked, as on the way there.",
		"Once a controller runs again: samlfailover status reads where the apps are now; it does not have to be told.",
	}
}

// clock shows a time on paper.
func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// aged shows a time with how old what was read then was at the time of writing.
func (b Book) aged(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return clock(t) + ", " + age(b.Written.Sub(t))
}

func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return "just before this was written"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min before this was written", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h before this was written", int(d.Hours()))
	}
	return fmt.Sprintf("%d days before this was written", int(d.Hours()/24))
}

// sum says how many roles are ready.
func (r Readiness) sum() string {
	if r.TakenAt.IsZero() {
		return "not known: never scanned"
	}
	return fmt.Sprintf("%d of %d roles", r.Ready, r.Total)
}

// title names a move.
func (m Move) title() string {
	if m.Home {
		return "To " + m.To.String() + " (home)"
	}
	return "To " + m.To.String()
}

// orDash stands for what is empty.
func orDash(s string) string {
	if s == "" {
		return "(empty)"
	}
	return s
}

func regionOrUnknown(r signin.Region) string {
	if r.IsZero() {
		return "not known"
	}
	return r.String()
}
