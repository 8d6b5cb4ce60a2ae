package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// Every scheduled job is listed with its line and its next runs; the head of the
// record goes where the config says and proves it. spec 14
func TestScheduleList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	heads := filepath.Join(t.TempDir(), "heads.jsonl")
	w.env = w.acceptedWith(t, "store:", "schedules:\n  trust_scan: \"30 5 * * *\"\n  audit_head: \"@every 1m\"\n  audit_head_file: "+heads+"\nstore:")
	w.serve(t)
	list := cli(t, w.env, "schedule", "list")
	list.wants(t, exitDone, "NEXT RUNS (UTC)", "app_reads", "@every 5m", "token_check", "30 5 * * *", "05:30, ", "audit_head", "never")
	var jobs []struct {
		Name, Schedule string
		Next           []string
	}
	r := cli(t, w.env, "schedule", "list", "--output", "json")
	if err := json.Unmarshal([]byte(r.out), &jobs); err != nil || len(jobs) != 7 || jobs[0].Name != "health_check" || len(jobs[1].Next) != 3 || !strings.HasSuffix(jobs[3].Next[0], "05:30:00Z") {
		t.Errorf("%v: %s", err, r.out)
	}
	cli(t, w.env, "schedule").wants(t, exitDone, "Available Commands:")
	cli(t, w.env, "audit", "verify", "--head", heads).wants(t, exitFailed, "read the heads")
}
