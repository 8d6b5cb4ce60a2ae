package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// HeadLine is one line of a file of heads: when the record had which head.
type HeadLine struct {
	Time time.Time `json:"time"`
	Head
}

// Outside is what an outside sink holds of a record: heads, or whole records,
// one per line. When a record was set aside and a new one begun, the sink has
// both; Heads are those of the newest.
type Outside struct {
	Heads []Head `json:"-"`
	Last  Head   `json:"last"`
	Count int    `json:"heads"`
	// Earlier counts the records (chains) that ended before this one began, and
	// Unreadable the lines that are no head, such as one that was cut off.
	Earlier    int `json:"earlier_chains,omitempty"`
	Unreadable int `json:"unreadable_lines,omitempty"`
}

// ReadOutside reads a file that a sink wrote, or that whoever receives a webhook
// made of it. A file without any head is an error.
func ReadOutside(path string) (Outside, error) {
	f, err := os.Open(path)
	if err != nil {
		return Outside{}, fmt.Errorf("read the heads: %w", err)
	}
	defer f.Close()
	out := Outside{}
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := r.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out.add(line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, fmt.Errorf("read the heads in %s: %w", path, err)
		}
	}
	if out.Count == 0 {
		return out, fmt.Errorf("%s holds no head of an audit record", path)
	}
	return out, nil
}

// add takes one line. The same head twice is a repeated delivery.
func (o *Outside) add(line []byte) {
	var h Head
	if err := json.Unmarshal(line, &h); err != nil || h.Seq == 0 || len(h.Hash) != 64 {
		o.Unreadable++
		return
	}
	switch {
	case o.Count > 0 && h.Seq <= o.Last.Seq && o.holds(h):
		return
	case o.Count > 0 && h.Seq <= o.Last.Seq:
		o.Earlier++
		o.Heads = nil
	}
	o.Heads = append(o.Heads, h)
	o.Last, o.Count = h, len(o.Heads)
}

// holds reports whether the head is one of the newest chain's.
func (o *Outside) holds(h Head) bool {
	for i := len(o.Heads) - 1; i >= 0 && o.Heads[i].Seq >= h.Seq; i-- {
		if o.Heads[i] == h {
			return true
		}
	}
	return false
}

// Covers checks a file against everything that an outside sink holds. It
// returns the first record that the sink proves nothing about (spec 14); an
// error that wraps ErrBroken names the first record that is not what it was.
func Covers(path string, outside Outside) (firstUnproven uint64, err error) {
	if _, _, err := verify(path); err != nil {
		return 0, err
	}
	left := outside.Heads
	var last uint64
	err = Read(path, func(r Record) error {
		last = r.Seq
		for len(left) > 0 && left[0].Seq == r.Seq {
			if left[0].Hash != r.Hash {
				return fmt.Errorf("record %d: the outside sink has another (hash %s, here %s): it, or one before it, was changed, or the file was replaced: %w", r.Seq, left[0].Hash, r.Hash, ErrBroken)
			}
			left = left[1:]
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("verify %s: %w", path, err)
	case len(left) > 0:
		return 0, fmt.Errorf("verify %s: record %d: the outside sink has records up to %d, and the file ends before: records were cut off, or the file was replaced: %w", path, last+1, outside.Last.Seq, ErrBroken)
	}
	return outside.Last.Seq + 1, nil
}
