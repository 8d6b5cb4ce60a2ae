package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Record is one line of the file. Prev is the hash of the line before ("" in
// the first); Hash is the SHA-256, in hex, of the line's canonical JSON with an
// empty Hash. Seq counts from 1.
type Record struct {
	Seq     uint64          `json:"seq"`
	Time    time.Time       `json:"time"`
	Actor   string          `json:"actor"`
	Action  string          `json:"action"`
	Subject string          `json:"subject"`
	Detail  json.RawMessage `json:"detail,omitempty"`
	Prev    string          `json:"prev"`
	Hash    string          `json:"hash"`
}

// Head names the last record: what an outside sink keeps. The zero Head is that
// of an empty chain.
type Head struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// String shows a head to people.
func (h Head) String() string { return fmt.Sprintf("record %d, hash %s", h.Seq, h.Hash) }

// ErrBroken is wrapped by every error that says that a chain was changed.
var ErrBroken = errors.New("the audit chain is broken")

// errTorn says that the file ends in the middle of a line.
var errTorn = errors.New("the last line has no end")

// maxLine bounds one record: a plan of thousands of apps fits.
const maxLine = 16 << 20

// seal fills in the hash and returns the line, without its newline.
func seal(r Record) (Record, []byte, error) {
	r.Hash = ""
	raw, err := json.Marshal(r)
	if err != nil {
		return r, nil, fmt.Errorf("encode audit record %d: %w", r.Seq, err)
	}
	sum := sha256.Sum256(raw)
	r.Hash = hex.EncodeToString(sum[:])
	line, err := json.Marshal(r)
	return r, line, err
}

// check reports what is wrong with a line that shall follow head. The line must
// be, byte for byte, what seal makes of it.
func check(line []byte, head Head) (Record, error) {
	var r Record
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("it is not a record: %w", err)
	}
	switch {
	case r.Seq != head.Seq+1:
		return r, fmt.Errorf("it says that it is record %d: records are missing or not in their order", r.Seq)
	case r.Prev != head.Hash:
		return r, errors.New("it does not follow the record before it")
	}
	sealed, want, err := seal(r)
	switch {
	case err != nil:
		return r, err
	case sealed.Hash != r.Hash:
		return r, errors.New("its content does not match its hash")
	case !bytes.Equal(want, line):
		return r, errors.New("it is not written as it was recorded")
	}
	return r, nil
}

// scan reads records one after the other, checks each and hands it to visit. It
// returns the head of the good part, the offset of its end, and what ended it:
// nil at the end of the file, errTorn in an unfinished last line, else an error
// that wraps ErrBroken and names the first bad record.
func scan(in io.Reader, visit func(Record) error) (head Head, end int64, err error) {
	return scanFrom(in, Head{}, visit)
}

// scanFrom is scan for what follows a record.
func scanFrom(in io.Reader, head Head, visit func(Record) error) (_ Head, end int64, err error) {
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := r.ReadSlice('\n')
		line = bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && len(line) <= maxLine {
			var more []byte
			more, err = r.ReadSlice('\n')
			line = append(line, more...)
		}
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return head, end, nil
		case errors.Is(err, io.EOF):
			return head, end, errTorn
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return head, end, fmt.Errorf("read the audit file: %w", err)
		case err != nil:
			return head, end, fmt.Errorf("record %d: longer than %d bytes: %w", head.Seq+1, maxLine, ErrBroken)
		}
		rec, bad := check(line[:len(line)-1], head)
		if bad != nil {
			return head, end, fmt.Errorf("record %d: %w: %w", head.Seq+1, bad, ErrBroken)
		}
		head, end = Head{rec.Seq, rec.Hash}, end+int64(len(line))
		if err := visit(rec); err != nil {
			return head, end, err
		}
	}
}

// Verify checks a whole file. It returns the head of the part that is good and
// how many records that part has; the error names the first bad record. A file
// from whose end whole records were cut is told by the head file beside it, or
// by an outside head (Covers).
func Verify(path string) (head Head, count uint64, err error) {
	head, _, err = verify(path)
	return head, head.Seq, err
}

func verify(path string) (Head, int64, error) {
	in, err := os.Open(path)
	if err != nil {
		return Head{}, 0, fmt.Errorf("verify the audit file: %w", err)
	}
	defer in.Close()
	kept, err := readHead(path)
	if err != nil {
		return Head{}, 0, err
	}
	met := kept.Seq == 0
	head, end, err := scan(in, func(r Record) error {
		if r.Seq == kept.Seq {
			met = r.Hash == kept.Hash
		}
		return nil
	})
	switch {
	case errors.Is(err, ErrBroken):
		return head, end, fmt.Errorf("verify %s: %w", path, err)
	case !met && head.Seq < kept.Seq:
		return head, end, fmt.Errorf("verify %s: record %d: it was acknowledged and is missing, as is everything after it up to record %d: %w", path, head.Seq+1, kept.Seq, ErrBroken)
	case !met:
		return head, end, fmt.Errorf("verify %s: record %d: its hash is not the one that was kept when it was written: %w", path, kept.Seq, ErrBroken)
	case err != nil:
		return head, end, fmt.Errorf("verify %s: record %d: %w", path, head.Seq+1, err)
	}
	return head, end, nil
}

// Read hands every record to visit, oldest first, and checks the chain on the
// way. An unfinished last line ends it without an error: another process may be
// writing it.
func Read(path string, visit func(Record) error) error {
	in, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the audit file: %w", err)
	}
	defer in.Close()
	if _, _, err := scan(in, visit); err != nil && !errors.Is(err, errTorn) {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
