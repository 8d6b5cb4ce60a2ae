package copies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/samlfailover/samlfailover/audit"
)

// File is a sink that appends lines to a file: whole records, byte for byte as
// in the record, or with Heads their heads alone. It only ever appends, so a
// storage that forbids anything else will do.
type File struct {
	Path  string
	Heads bool
}

// Last implements Sink.
func (f File) Last(context.Context) (audit.Head, error) {
	info, err := os.Stat(f.Path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return audit.Head{}, nil
	}
	if err != nil {
		return audit.Head{}, fmt.Errorf("look at the copy: %w", err)
	}
	held, err := audit.ReadOutside(f.Path)
	return held.Last, err
}

// Put implements Sink: it returns once the lines are durable.
func (f File) Put(_ context.Context, records []audit.Record) error {
	text, err := lines(records, f.Heads)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(f.Path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	if torn(out) { // a line that was cut off stays, on a line of its own
		text = append([]byte{'\n'}, text...)
	}
	_, err = out.Write(text)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("write the copy %s: %w", f.Path, err)
	}
	return nil
}

// torn reports whether the file ends in the middle of a line.
func torn(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

// lines are records as a sink gets them, each with its line's end.
func lines(records []audit.Record, heads bool) ([]byte, error) {
	var out []byte
	for _, r := range records {
		line, err := r.Line()
		if heads {
			line, err = json.Marshal(audit.HeadLine{Time: r.Time, Head: r.Head()})
		}
		if err != nil {
			return nil, err
		}
		out = append(append(out, line...), '\n')
	}
	return out, nil
}

// keepHead replaces the file that says how far a sink is in one step.
func keepHead(path string, h audit.Head) error {
	raw, err := json.Marshal(audit.HeadLine{Time: time.Now().UTC(), Head: h})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
