package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Line is the record as it stands in the file, without the line's end.
func (r Record) Line() ([]byte, error) {
	line, err := json.Marshal(r) // scan takes no line that differs from this
	if err != nil {
		return nil, fmt.Errorf("encode record %d: %w", r.Seq, err)
	}
	return line, nil
}

// Tail reads what is added to a file behind a record, and checks the chain on
// the way. Another process or goroutine may be writing the file. Not safe for
// concurrent use.
type Tail struct {
	path   string
	head   Head
	offset int64
}

// errEnough ends a scan.
var errEnough = errors.New("enough for now")

// NewTail starts behind the record that after names, the zero Head for the
// beginning. A file that does not hold that record is an error that wraps
// ErrBroken.
func NewTail(path string, after Head) (*Tail, error) {
	t := &Tail{path: path}
	if after == (Head{}) {
		return t, nil
	}
	found := false
	err := t.scan(func(r Record) error {
		if r.Head() == after {
			found = true
			return errEnough
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("read %s: it does not hold the record that was copied last (%s): %w", path, after, ErrBroken)
	}
	return t, nil
}

// tailBytes bounds what Next returns at a time, beyond the first record.
const tailBytes = 1 << 20

// Next returns at most n of the records that follow, oldest first; none when
// there is nothing new.
func (t *Tail) Next(n int) ([]Record, error) {
	var out []Record
	size := 0
	err := t.scan(func(r Record) error {
		out = append(out, r)
		size += len(r.Detail)
		if len(out) >= n || size > tailBytes {
			return errEnough
		}
		return nil
	})
	return out, err
}

// scan hands the records that follow to visit and moves on behind them. An
// unfinished last line is left for the next time.
func (t *Tail) scan(visit func(Record) error) error {
	in, err := os.Open(t.path)
	if err != nil {
		return fmt.Errorf("read the audit file: %w", err)
	}
	defer in.Close()
	if _, err := in.Seek(t.offset, io.SeekStart); err != nil {
		return fmt.Errorf("read the audit file %s: %w", t.path, err)
	}
	head, end, err := scanFrom(in, t.head, visit)
	if err != nil && !errors.Is(err, errTorn) && !errors.Is(err, errEnough) {
		return fmt.Errorf("read %s: %w", t.path, err)
	}
	t.head, t.offset = head, t.offset+end
	return nil
}

// CheckFrom checks lines that shall follow a record, the zero Head for a whole
// record. It returns the head of the last one and how many there are.
func CheckFrom(in io.Reader, before Head) (last Head, n int, err error) {
	last, _, err = scanFrom(in, before, func(Record) error { n++; return nil })
	if errors.Is(err, errTorn) {
		err = fmt.Errorf("record %d: %w: %w", last.Seq+1, errTorn, ErrBroken)
	}
	return last, n, err
}
