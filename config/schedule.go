package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// The smallest times between two runs by "@every": of work that asks vendors or
// AWS for much, of a health check, and of anything.
const (
	Seldom   = time.Minute
	Often    = 10 * time.Second
	AnyTimes = time.Second
)

// calm is the steady probe interval of spec 7.6.
const calm = 10 * time.Second

// Off is the schedule that never runs.
const Off = "off"

var scheduleForm = regexp.MustCompile(`^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|\S+( +\S+){4})$`)

// ParseSchedule reads five cron fields in UTC, @hourly and the like, or
// "@every DURATION"; "off" gives nil. It refuses what robfig/cron takes and
// then does something else than meant: time zones (TZ= without a space
// panics), dates that never come, @every below a second. An @every of less than shortest
// is refused too.
func ParseSchedule(text string, shortest time.Duration) (s cron.Schedule, err error) {
	if text == Off {
		return nil, nil
	}
	if strings.Contains(text, "TZ=") {
		return nil, fmt.Errorf("%s sets a time zone; schedules are in UTC, remove TZ=", quote(text))
	}
	if every, ok := strings.CutPrefix(text, "@every "); ok {
		d, err := time.ParseDuration(strings.TrimSpace(every))
		if err != nil || d < shortest {
			return nil, fmt.Errorf("%s must name a duration of at least %s; write it as @every 90m", quote(text), shortest)
		}
	} else if !scheduleForm.MatchString(text) {
		return nil, fmt.Errorf("%s is not a schedule; write five fields (minute hour day month weekday), @hourly, @every 90m or off", quote(text))
	}
	defer func() {
		if recover() != nil {
			s, err = nil, fmt.Errorf("%s is not a schedule; write five fields such as 0 7 * * *", quote(text))
		}
	}()
	s, err = cron.ParseStandard(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not a schedule (%w); write five fields such as 0 7 * * *", quote(text), err)
	}
	// Any start does: a date that comes at all comes within cron's five years.
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("%s names a date that never comes; correct day and month", quote(text))
	}
	return utc{s}, nil
}

// utc makes a schedule count in UTC whatever zone the caller's clock is in.
type utc struct{ cron.Schedule }

// Next returns the next run after t, in UTC.
func (u utc) Next(t time.Time) time.Time { return u.Schedule.Next(t.UTC()) }
