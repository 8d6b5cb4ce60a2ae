package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// moves checks that the times of a move fit into each other.
func (c *checker) moves() {
	m := c.doc.Moves
	if m.FirstWait > 0 && m.LongestWait > 0 && m.FirstWait > m.LongestWait {
		c.fail("moves.first_wait", fmt.Sprintf("%s is more than longest_wait %s", m.FirstWait, m.LongestWait), "make it shorter than moves.longest_wait")
	}
	if m.CallDeadline > 0 && m.StepTimeout > 0 && m.StepTimeout <= m.CallDeadline {
		c.fail("moves.step_timeout", fmt.Sprintf("%s leaves no time to read back a write that takes its whole call_deadline %s", m.StepTimeout, m.CallDeadline), "make it longer than moves.call_deadline")
	}
}

// slowestReads is how far apart reads of the apps should be at most (spec 2.4).
const slowestReads = 5 * time.Minute

func (c *checker) schedules() {
	s := &c.doc.Schedules
	for _, job := range []struct{ key, text string }{{"trust_scan", s.TrustScan}, {"report", s.Report}, {"app_reads", s.AppReads}, {"health_check", s.HealthCheck},
		{"token_check", s.TokenCheck}, {"audit_head", s.AuditHead}, {"drill", s.Drill}} {
		if job.text == "" {
			continue
		}
		shortest := Seldom
		if job.key == "health_check" {
			shortest = Often
		}
		when, err := ParseSchedule(job.text, shortest)
		path := "schedules." + job.key
		switch {
		case err != nil:
			message, remedy, _ := strings.Cut(err.Error(), "; ")
			c.fail(path, message, remedy)
		case job.key == "drill" && when != nil:
			c.fail(path, "this version makes no drills, and a schedule that is silently never kept would be worse than none", "remove it, or write off")
		case job.key == "app_reads" && when == nil:
			c.fail(path, "off would leave the apps unread in calm times, and nobody would see them change", "remove it; every 5 minutes is the default")
		case job.key == "app_reads":
			if first := when.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); when.Next(first).Sub(first) > slowestReads {
				c.warn(path, "apps that are read less often than every 5 minutes are seen late when somebody changes them", "remove it; every 5 minutes is the default")
			}
		}
	}
	switch headOn := s.AuditHead != "" && s.AuditHead != Off; {
	case headOn && s.AuditHeadFile == "":
		c.missing("schedules", "audit_head_file", "audit_head has nowhere to go")
	case !headOn && s.AuditHeadFile != "":
		c.fail("schedules.audit_head_file", "nothing is written to it, because audit_head is off", "add audit_head, such as @hourly")
	case strings.HasPrefix(s.AuditHeadFile, "~"):
		c.fail("schedules.audit_head_file", "~ is not understood here", "write the path out, or relative to this file")
	case s.AuditHeadFile != "" && !filepath.IsAbs(s.AuditHeadFile):
		s.AuditHeadFile = filepath.Join(c.dir, s.AuditHeadFile)
	}
}
