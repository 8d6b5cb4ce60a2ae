package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
)

// errCut is the end of a connection that a fault breaks.
var errCut = errors.New("the connection was cut")

// answer serves one request on a connection to a site.
func (p *Proxy) answer(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*siteConn)
	if host := strings.TrimSuffix(strings.ToLower(r.Host), ":443"); host != c.site.Host {
		entry := requested(c.site, r, "the Host header names another host")
		entry.Tenant, entry.Status = "", http.StatusMisdirectedRequest
		p.record(c.site, entry)
		http.Error(w, "this connection leads to "+c.site.Host+"; the Host header names another host", http.StatusMisdirectedRequest)
		return
	}
	effects := p.requestEffects(c.site, r, c.opened)
	if len(effects) == 0 {
		p.plain(w, r, c.site)
		return
	}
	a, err := p.reply(r, c.site, effects)
	if err != nil {
		cut(c)
	}
	if err := a.writeTo(r.Context(), w); err != nil {
		// Not cut: a reset would take back what the client has not read yet.
		panic(http.ErrAbortHandler)
	}
}

// requestEffects asks what is broken for a request to s.
func (p *Proxy) requestEffects(s *site, r *http.Request, after uint64) fault.Effects {
	return p.faults.Match(fault.Question{Subject: s.subject, Part: s.part(r), Stage: fault.Request, After: after}, time.Now())
}

// plain lets the site's handler write its own answer.
func (p *Proxy) plain(w http.ResponseWriter, r *http.Request, s *site) {
	entry, note := requested(s, r, ""), noteAction(r, s)
	sw := &statusWriter{ResponseWriter: w}
	defer func() {
		entry.Status, entry.Note = sw.status, note()
		p.record(s, entry)
	}()
	s.Handler.ServeHTTP(sw, r)
	if sw.status == 0 {
		sw.status = http.StatusOK
	}
}

// cut breaks the connection under the handler that calls it: with a reset where
// the connection can send one.
func cut(c *siteConn) {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.Close()
	panic(http.ErrAbortHandler)
}

// reply works out the answer to a request that effects hit. An error means that
// there is none: the connection breaks, or the client is gone.
func (p *Proxy) reply(r *http.Request, s *site, effects fault.Effects) (a *reply, err error) {
	entry := requested(s, r, faultNote(effects))
	if effects.Has(fault.Blackhole) {
		p.record(s, entry) // at once: nobody knows when it ends
		drain(r)
		return nil, p.wait(r.Context())
	}
	defer func() {
		if a != nil {
			entry.Status = a.status
		}
		p.record(s, entry)
	}()
	if err := p.delay(r.Context(), effects.Latency()); err != nil {
		return nil, err
	}
	if effects.Has(fault.Down, fault.Refuse, fault.Reset) {
		return nil, errCut
	}
	if a := instead(r, s, effects); a != nil {
		return a.shaped(effects), nil
	}
	note := noteAction(r, s)
	handler := s.Handler
	if effects.Has(fault.ReadOnly) && s.ReadOnly != nil {
		handler = s.ReadOnly
	}
	a = run(handler, r)
	entry.Note = strings.Trim(note()+", "+entry.Note, ", ")
	if a == nil || effects.Has(fault.AnswerLost) {
		return nil, errCut
	}
	return a.spoiled(effects).shaped(effects), nil
}

// requested begins the log's entry about a request that has arrived.
func requested(s *site, r *http.Request, note string) reqlog.Entry {
	return reqlog.Entry{Kind: reqlog.Request, Began: time.Now(), Client: clientOf(r), Tenant: s.part(r), Method: r.Method, Path: r.URL.Path, Note: note}
}

// clientOf returns the address of who asks, "" where there is no network.
func clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// faultNote names the faults that hit a request or a connection, for the log.
func faultNote(effects fault.Effects) string {
	if len(effects) == 0 {
		return ""
	}
	return "fault " + effects.String()
}

// drain reads a request's body, so that the server notices when the client
// leaves.
func drain(r *http.Request) { _, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20)) }

// delay waits for d unless ctx or the world ends first.
func (p *Proxy) delay(ctx context.Context, d time.Duration) error {
	select {
	case <-p.ctx.Done():
		return errWorldClosed
	default:
		return pause(ctx, d)
	}
}

// pause waits for d unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeTo sends the answer through a server: the announced length, then the
// body in pieces. A truncated body ends in an error.
func (a *reply) writeTo(ctx context.Context, w http.ResponseWriter) error {
	for k, v := range a.header {
		w.Header()[k] = v
	}
	if bodyAllowed(a.status) {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	rc := http.NewResponseController(w)
	_ = rc.Flush()
	for way := a.travel(); ; {
		b, err := way.next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		_ = rc.Flush()
	}
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// statusWriter notes the status that a handler sends.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the server's own writer.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
