package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Runbook says where serve keeps the paper for the day on which everything else
// is dead. Dir is absolute after loading, "" for nowhere.
type Runbook struct {
	Dir      string        `yaml:"dir" doc:"Folder into which serve writes the runbook of each federation, relative to this file: best one that is there when this machine is not. Absent: none is written."`
	Schedule string        `yaml:"schedule" default:"30 6 * * *" doc:"When it is written: five cron fields in UTC, @daily, @every 90m, or off."`
	Formats  []string      `yaml:"formats" default:"markdown,html" enum:"markdown,html" unique:"true" min:"1" doc:"What is written: runbook-NAME.md, runbook-NAME.html, or both."`
	Call     []RunbookCall `yaml:"call" max:"20" doc:"Whom to call, in this order; it is printed at the top."`
}

// RunbookCall is somebody to call.
type RunbookCall struct {
	Who        string `yaml:"who" required:"true" pattern:"label" doc:"A person, a team or a role, such as Identity on call."`
	How        string `yaml:"how" required:"true" pattern:"label" doc:"A number, a channel or a place that works without AWS and without the identity provider."`
	Federation string `yaml:"federation" doc:"Print it in this federation's runbook only. Absent: in every one."`
}

func (c *checker) runbook() {
	r := &c.doc.Runbook
	if r.Schedule != "" {
		if _, err := ParseSchedule(r.Schedule, Seldom); err != nil {
			message, remedy, _ := strings.Cut(err.Error(), "; ")
			c.fail("runbook.schedule", message, remedy)
		}
	}
	switch {
	case strings.HasPrefix(r.Dir, "~"):
		c.fail("runbook.dir", "~ is not understood here", "write the folder out, or relative to this file")
	case r.Dir != "" && !filepath.IsAbs(r.Dir):
		r.Dir = filepath.Join(c.dir, r.Dir)
	case r.Dir == "" && c.written("runbook", "schedule"):
		c.fail("runbook.schedule", "there is nowhere to write to", "name a folder in runbook.dir, or remove it")
	}
	for i, call := range r.Call {
		known := slices.ContainsFunc(c.doc.Federations, func(f federationDoc) bool { return f.Name == call.Federation })
		if call.Federation != "" && !known {
			c.warn(fmt.Sprintf("runbook.call[%d].federation", i), fmt.Sprintf("no federation is called %s, so it is printed nowhere", quote(call.Federation)), "correct the name, or remove it")
		}
	}
}
