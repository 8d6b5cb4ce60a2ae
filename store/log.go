package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// bridge hands etcd's log to slog, and catches what etcd ends the process for.
type bridge struct {
	to *slog.Logger
	// broken is called once, before failed is closed: a full disk is helped then.
	broken func(said string)

	mu       sync.Mutex
	starting bool
	stopping bool
	cause    error
	failed   chan struct{} // closed once etcd has given up
}

func newBridge(to *slog.Logger) *bridge {
	return &bridge{to: to, starting: true, failed: make(chan struct{})}
}

// zap returns a logger for etcd. Its calls of Fatal end the goroutine instead of
// the process: then the member is dead, and whoever waits for failed is told.
func (b *bridge) zap() *zap.Logger {
	return zap.New(&core{b: b}, zap.WithFatalHook(giveUp{b}), zap.WithPanicHook(giveUp{b}))
}

func (b *bridge) started() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.starting = false
}

// stops says that the member is being stopped, which etcd tells as a row of
// errors.
func (b *bridge) stops() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopping = true
}

// level is how loud a word of etcd is. What it finds missing while it starts and
// what breaks while it stops alarms nobody: if it matters, Open or Close say so.
func (b *bridge) level(l zapcore.Level) slog.Level {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.starting || b.stopping {
		return min(level(l), slog.LevelDebug)
	}
	return level(l)
}

// failure returns why etcd gave up, nil if it did not.
func (b *bridge) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}

// giveUp runs where etcd would end the process.
type giveUp struct{ b *bridge }

// OnWrite implements zapcore.CheckWriteHook.
func (g giveUp) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	b := g.b
	b.mu.Lock()
	first := b.cause == nil
	starting := b.starting
	said := e.Message
	for _, a := range attributes(fields) {
		said += fmt.Sprintf(", %s", a)
	}
	if first {
		b.cause = errors.New("etcd gave up: " + said)
	}
	b.mu.Unlock()
	if first {
		if b.broken != nil {
			b.broken(said)
		}
		close(b.failed)
	}
	if e.Level == zapcore.FatalLevel || starting {
		runtime.Goexit()
	}
	panic(said) // as etcd means it: some callers recover
}

// core is the zapcore.Core.
type core struct {
	b    *bridge
	with []slog.Attr
}

// Enabled implements zapcore.LevelEnabler.
func (c *core) Enabled(l zapcore.Level) bool {
	return c.b.to.Enabled(context.Background(), level(l)) || l >= zapcore.DPanicLevel
}

// level translates. etcd calls many everyday things informative, and tells every
// single key that it writes as debugging, which is below ours.
func level(l zapcore.Level) slog.Level {
	switch {
	case l < zapcore.InfoLevel:
		return slog.LevelDebug - 4
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// With implements zapcore.Core.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	return &core{b: c.b, with: append(c.with[:len(c.with):len(c.with)], attributes(fields)...)}
}

// Check implements zapcore.Core.
func (c *core) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements zapcore.Core.
func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	attrs := append(c.with[:len(c.with):len(c.with)], attributes(fields)...)
	c.b.to.LogAttrs(context.Background(), c.b.level(e.Level), "etcd: "+e.Message, attrs...)
	return nil
}

// Sync implements zapcore.Core.
func (c *core) Sync() error { return nil }

func attributes(fields []zapcore.Field) []slog.Attr {
	enc := zapcore.NewMapObjectEncoder()
	var out []slog.Attr
	for _, f := range fields {
		if f.Type == zapcore.NamespaceType {
			continue // everything stands flat
		}
		f.AddTo(enc)
		if v, ok := enc.Fields[f.Key]; ok && !strings.HasSuffix(f.Key, "Verbose") {
			out = append(out, slog.Any(f.Key, v))
		}
	}
	return out
}
