package slack

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/secret"
)

// bolt is where npm installs Slack's own framework.
const bolt = "bolt/node_modules/@slack/bolt/package.json"

// judged is an answer of bolt/verify.mjs.
type judged struct {
	Good   bool
	Error  string
	Fields map[string]string
}

// judge asks @slack/bolt, in a process of its own. It skips where node or the
// package is missing, and fails where nothing may be skipped.
func judge(t *testing.T, rows []signedRow) []judged {
	t.Helper()
	node, err := exec.LookPath("node")
	why := "there is no node here; on Debian: apt-get install nodejs npm"
	if err == nil {
		_, err = os.Stat(filepath.FromSlash(bolt))
		why = "@slack/bolt is not installed; run: npm ci --prefix server/slack/bolt"
	}
	if err != nil {
		if os.Getenv("TEST_ALL") == "1" {
			t.Fatal(why + " (TEST_ALL=1: no test may be skipped)")
		}
		t.Skip(why)
	}
	var in, out, failed bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, r := range rows {
		if err := enc.Encode(map[string]any{"secret": publishedSecret, "stamp": r.stamp[0], "signature": r.signature[0], "body": base64.StdEncoding.EncodeToString([]byte(r.body)),
			"now": publishedTime().Add(r.after).UnixMilli()}); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), node, "verify.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "bolt", &in, &out, &failed
	if err := cmd.Run(); err != nil {
		t.Fatalf("node verify.mjs: %v\n%s", err, failed.String())
	}
	var all []judged
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		var j judged
		if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		all = append(all, j)
	}
	if len(all) != len(rows) {
		t.Fatalf("%d requests, %d answers", len(rows), len(all))
	}
	return all
}

// Slack's own framework takes and refuses the same requests, but where the table
// says that ours is stricter, and reads the same fields.
func TestBoltAgrees(t *testing.T) {
	t.Parallel()
	rows := signedRows()
	body := func(text string) string {
		v := fields(text)
		return v.Encode()
	}
	for _, text := range []string{"status", "move us-west-2 in workforce it is down", "move us-west-2 A &amp; B &lt;3", "störung … 50% + more", "a\nb\tc", `say "hello"`, ""} {
		rows = append(rows, signedRow{why: "a command: " + text, stamp: []string{publishedStamp}, signature: []string{signAs(publishedSecret, "v0", publishedStamp, body(text))}, body: body(text), good: true})
	}
	click := url.Values{"payload": {`{"type":"block_actions","team":{"id":"` + team + `"},"user":{"id":"U0ADA"},"channel":{"id":"` + incident + `"},"container":{"message_ts":"1.2"},` +
		`"actions":[{"action_id":"samlfailover.approve","value":"prop-1 00ff"}],"response_url":"https://hooks.slack.com/actions/T/1/x"}`}}.Encode()
	rows = append(rows, signedRow{why: "a click", stamp: []string{publishedStamp}, signature: []string{signAs(publishedSecret, "v0", publishedStamp, click)}, body: click, good: true})
	good, differ := 0, 0
	for i, j := range judge(t, rows) {
		r := rows[i]
		_, err := verify([]secret.Value{secret.New(publishedSecret)}, publishedTime().Add(r.after), r.header(), []byte(r.body))
		if ours := err == nil; ours != r.good || (j.Good != ours) != r.boltIsOfAnother {
			t.Errorf("%s: ours %v, bolt %+v", r.why, err, j)
		}
		if r.boltIsOfAnother {
			differ++
		}
		if !j.Good || err != nil {
			continue
		}
		good++
		var got map[string]string
		if req, err := clicked([]byte(r.body)); err == nil {
			got = map[string]string{"team_id": req.team, "user_id": req.user, "action": req.click.Action, "value": req.click.ID + " " + req.click.Digest}
		} else if req, err := typed([]byte(r.body)); err == nil {
			got = map[string]string{"team_id": req.team, "channel_id": req.channel, "user_id": req.user, "command": req.command, "text": req.text, "response_url": req.answer.Reveal()}
		}
		for name, want := range got {
			if j.Fields[name] != want {
				t.Errorf("%s: %s is %q here and %q for bolt", r.why, name, want, j.Fields[name])
			}
		}
	}
	if good < 12 || differ != 1 {
		t.Errorf("%d good requests, %d that bolt judges otherwise: this comparison is broken", good, differ)
	}
}

// Bolt and ours are compared with our clock put where the vector needs it: at
// any other time bolt refuses the vector as stale, as ours does.
func TestTheVectorIsStaleToday(t *testing.T) {
	t.Parallel()
	h := signedRows()[0].header()
	if _, err := verify([]secret.Value{secret.New(publishedSecret)}, time.Now(), h, []byte(publishedBody)); err == nil || !strings.Contains(err.Error(), "older than") {
		t.Errorf("%v", err)
	}
}
