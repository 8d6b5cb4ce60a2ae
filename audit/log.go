package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/filelock"
)

// Options say where the record is kept. SetBrokenAside is a person's decision
// after a chain was found broken: the file is kept under another name, and a
// new chain begins with a record that names it.
type Options struct {
	Path           string
	SetBrokenAside bool
}

// Log appends to one audit file. One process at a time holds it. Safe for
// concurrent use.
type Log struct {
	mu   sync.Mutex
	path string
	file *os.File
	lock *filelock.Lock
	head Head
	bad  error // after a failed write the end of the file is not known
}

// Open takes the file, verifies its whole chain and is ready to append. A last
// line that was cut off while it was written, and therefore never acknowledged,
// is kept beside the file and recorded. Any other damage refuses.
func Open(o Options) (*Log, error) {
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, fmt.Errorf("open the audit file: %w", err)
	}
	held, err := filelock.Acquire(o.Path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open the audit file %s (one process at a time: stop the other first): %w", o.Path, err)
	}
	l, err := open(o, held)
	if err != nil {
		return nil, errors.Join(err, held.Release())
	}
	return l, nil
}

func open(o Options, held *filelock.Lock) (*Log, error) {
	l := &Log{path: o.Path, lock: held}
	if err := l.create(); err != nil {
		return nil, err
	}
	head, end, err := verify(o.Path)
	l.head = head
	if err == nil {
		err = l.headPresent()
	}
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, errTorn):
		return l, l.orClose(l.dropTorn(end))
	case errors.Is(err, ErrBroken) && o.SetBrokenAside:
		return l, l.orClose(l.startAnew(err))
	case errors.Is(err, ErrBroken):
		err = fmt.Errorf("%w; nothing can be changed until a person has looked at it: keep the file as evidence and start a new chain with: samlfailover audit set-aside", err)
	}
	return nil, l.orClose(err)
}

// headPresent refuses a file of several records whose head file is gone: then
// nothing would tell that records were cut off its end.
func (l *Log) headPresent() error {
	if _, err := os.Stat(l.path + headSuffix); err == nil || l.head.Seq <= 1 {
		return nil
	}
	return fmt.Errorf("open %s: the file %s beside it is missing: %w", l.path, filepath.Base(l.path)+headSuffix, ErrBroken)
}

func (l *Log) orClose(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(err, l.file.Close())
}

// create opens the file for appending, readable by its owner only.
func (l *Log) create() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the audit file: %w", err)
	}
	info, err := f.Stat()
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("others may read or write it (mode %04o): run: chmod 600 %s", info.Mode().Perm(), l.path)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open the audit file %s: %w", l.path, err), f.Close())
	}
	l.file = f
	return syncDir(filepath.Dir(l.path))
}

// dropTorn cuts off an unfinished last line, after it was kept elsewhere.
func (l *Log) dropTorn(end int64) error {
	rest, err := tail(l.path, end)
	if err != nil {
		return err
	}
	aside := fmt.Sprintf("%s.torn-%d", l.path, l.head.Seq+1)
	if err := os.WriteFile(aside, rest, 0o600); err != nil {
		return fmt.Errorf("keep the unfinished line of %s: %w", l.path, err)
	}
	if err := l.file.Truncate(end); err != nil {
		return fmt.Errorf("cut the unfinished line of %s: %w", l.path, err)
	}
	sum := sha256.Sum256(rest)
	return l.Record(context.Background(), "audit", "audit.torn-line-removed", filepath.Base(l.path),
		map[string]any{"bytes": len(rest), "sha256": hex.EncodeToString(sum[:]), "kept_in": filepath.Base(aside)})
}

func tail(path string, from int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the unfinished line: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the unfinished line of %s: %w", path, err)
	}
	return io.ReadAll(io.LimitReader(f, maxLine))
}

// startAnew keeps a broken file under another name and begins a new chain.
func (l *Log) startAnew(why error) error {
	whole, err := tail(l.path, 0)
	if err != nil {
		return err
	}
	aside := l.path + ".broken-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	if err := l.file.Close(); err != nil {
		return err
	}
	for _, suffix := range []string{"", headSuffix} {
		if err := os.Rename(l.path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set the broken audit file aside: %w", err)
		}
	}
	l.head = Head{}
	if err := l.create(); err != nil {
		return err
	}
	sum := sha256.Sum256(whole)
	return l.Record(context.Background(), "audit", "audit.chain-set-aside", filepath.Base(l.path),
		map[string]any{"kept_in": filepath.Base(aside), "sha256": hex.EncodeToString(sum[:]), "why": why.Error()})
}

// Record appends one entry and returns when it is durable. detail is anything
// that encodes as JSON, nil for none. After an error nothing is known to be
// recorded, and the log refuses until it is opened again.
func (l *Log) Record(ctx context.Context, actor, action, subject string, detail any) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("record %s: %w", action, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bad != nil {
		return fmt.Errorf("record %s: the audit file %s is out of use since an earlier failure (start again): %w", action, l.path, l.bad)
	}
	r, line, err := Next(l.head, time.Now(), actor, action, subject, detail)
	if err != nil {
		return err
	}
	return l.append(r, line)
}

// append makes a line durable; the caller holds the lock.
func (l *Log) append(r Record, line []byte) error {
	_, err := l.file.Write(append(line, '\n'))
	if err == nil {
		err = l.file.Sync()
	}
	if err == nil {
		err = writeHead(l.path, Head{r.Seq, r.Hash})
	}
	if err != nil {
		l.bad = err
		return fmt.Errorf("record %s in %s: %w", r.Action, l.path, err)
	}
	l.head = Head{r.Seq, r.Hash}
	return nil
}

// Head returns the last record's number and hash, for an outside sink.
func (l *Log) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Close gives the file back.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bad == nil {
		l.bad = errors.New("it is closed")
	}
	return errors.Join(l.file.Close(), l.lock.Release())
}
