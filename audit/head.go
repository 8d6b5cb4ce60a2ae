package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// headSuffix names the file beside the audit file that keeps its last
// acknowledged head. It tells records cut off the end from a crash. It follows
// the record, so it may be one behind.
const headSuffix = ".head"

func readHead(path string) (Head, error) {
	raw, err := os.ReadFile(path + headSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return Head{}, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("read the head of the audit file: %w", err)
	}
	var h Head
	if err := json.Unmarshal(raw, &h); err != nil {
		return Head{}, fmt.Errorf("read %s: it is not a head (%w): %w", path+headSuffix, err, ErrBroken)
	}
	return h, nil
}

// writeHead replaces the head file in one step.
func writeHead(path string, h Head) error {
	raw, err := json.Marshal(h)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+headSuffix+".tmp", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep the head of the audit file: %w", err)
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path+headSuffix)
	}
	if err != nil {
		return fmt.Errorf("keep the head of the audit file: %w", err)
	}
	return nil
}

// syncDir makes a new name in a folder durable. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
