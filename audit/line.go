package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Next makes the record that follows head, and its line: what every keeper of a
// chain stores. detail is anything that encodes as JSON, nil for none.
func Next(head Head, now time.Time, actor, action, subject string, detail any) (Record, []byte, error) {
	var raw json.RawMessage
	if detail != nil {
		b, err := json.Marshal(detail)
		if err != nil {
			return Record{}, nil, fmt.Errorf("record %s: encode its detail: %w", action, err)
		}
		raw = b
	}
	r, line, err := seal(Record{Seq: head.Seq + 1, Time: now.UTC(), Actor: text(actor), Action: text(action), Subject: text(subject), Detail: raw, Prev: head.Hash})
	if err != nil {
		return r, nil, err
	}
	if len(line) >= maxLine {
		return r, nil, fmt.Errorf("record %s: %d bytes are too many for one record (limit %d)", action, len(line), maxLine)
	}
	return r, line, nil
}

// Check returns the record of a line that shall follow head; an error that wraps
// ErrBroken says what is wrong with it.
func Check(line []byte, head Head) (Record, error) {
	r, err := check(line, head)
	if err != nil {
		return r, fmt.Errorf("record %d: %w: %w", head.Seq+1, err, ErrBroken)
	}
	return r, nil
}

// Head returns the head of a chain that ends with the record.
func (r Record) Head() Head { return Head{r.Seq, r.Hash} }

// text makes a text one that JSON gives back as it is.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
