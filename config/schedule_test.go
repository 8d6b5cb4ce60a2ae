package config

import (
	"testing"
	"time"
)

func TestParseSchedule(t *testing.T) {
	t.Parallel()
	// A Sunday, 00:30 in UTC, given in another zone on purpose.
	from := time.Date(2026, 11, 22, 1, 30, 0, 0, time.FixedZone("CET", 3600))
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC) }
	for _, c := range []struct {
		text string
		next time.Time
	}{
		{"@hourly", at(22, 1, 0)},
		{"30 6 * * 1-5", at(23, 6, 30)},
		{"0 7 * * *", at(22, 7, 0)},
		{"@daily", at(23, 0, 0)},
		{"@every 90m", at(22, 2, 0)},
		{"0 0 29 2 *", time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC)},
	} {
		s, err := ParseSchedule(c.text, Seldom)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := s.Next(from); !got.Equal(c.next) {
			t.Errorf("%s: next is %v, want %v", c.text, got, c.next)
		}
	}
	if s, err := ParseSchedule(Off, Seldom); s != nil || err != nil {
		t.Errorf("off: %v %v", s, err)
	}
	for _, text := range []string{"", "TZ=UTC", "CRON_TZ=UTC", "TZ=Europe/Berlin 0 7 * * *", "TZ=", "@every", "@every 0s", "@every -1s", "@every 1ms",
		"@every 59s", "@every tomorrow", "@reboot", "@Hourly", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "* * * *", "* * * * * *", "60 * * * *", "0 24 * * *", "a b c d e", "*/0 * * * *", "0\t7 * * *", "- - - - -", "0 7 * * 8"} {
		if s, err := ParseSchedule(text, Seldom); err == nil {
			t.Errorf("%q was accepted: %v", text, s)
		}
	}
}

// FuzzParseSchedule: no text panics, and what is accepted does run.
func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"@hourly", "0 7 * * *", "TZ=UTC", "TZ= 0 7 * * *", "@every 1ms", "0 0 30 2 *", "*/0 * * * *", "off"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text, Seldom)
		if err != nil || s == nil {
			return
		}
		now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		if next := s.Next(now); !next.After(now) || next.Sub(now) > 6*366*24*time.Hour {
			t.Fatalf("%q: next after %v is %v", text, now, next)
		}
	})
}
