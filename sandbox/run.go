package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/samlfailover/samlfailover/sandbox/admin"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
)

// Listen opens the listener of proxy and control verbs, so that ProxyURL and
// WriteDir know the port. Run does it if nobody did; a second call does nothing.
func (w *World) Listen() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ln != nil {
		return nil
	}
	ln, err := proxy.Listen(w.listen)
	if err != nil {
		return fmt.Errorf("open the sandbox: %w", err)
	}
	w.ln = ln
	return nil
}

// Addr returns the listener's address, "" before Listen.
func (w *World) Addr() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ln == nil {
		return ""
	}
	return w.ln.Addr().String()
}

// ProxyURL returns the proxy's URL, "" before Listen. The control verbs answer
// at the same place.
func (w *World) ProxyURL() string {
	if addr := w.Addr(); addr != "" {
		return "http://" + addr
	}
	return ""
}

// Token returns the secret that the control verbs ask for.
func (w *World) Token() string { return w.token }

// closeTime is how long Run waits for requests that are under way.
const closeTime = 5 * time.Second

// errClosed ends Run when Close does.
var errClosed = errors.New("the sandbox was closed")

// Run serves proxy and control verbs until ctx ends or Close is called, then
// closes the world and joins everything it started. Either end returns nil.
func (w *World) Run(ctx context.Context) error {
	if err := w.Listen(); err != nil {
		return err
	}
	defer w.Close()
	control, err := admin.NewHandler(admin.Options{World: w, Token: w.token, Addr: w.Addr()})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	server := &http.Server{
		Handler:           w.front(control),
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(w.logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	g.Go(func() error {
		err := server.Serve(w.ln)
		switch {
		case errors.Is(err, http.ErrServerClosed):
			return nil
		case errors.Is(err, net.ErrClosed):
			return errClosed
		}
		return fmt.Errorf("serve the sandbox at %s: %w", w.Addr(), err)
	})
	g.Go(func() error { w.Meddle(ctx); return nil })
	g.Go(func() error {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if err := server.Shutdown(late); err != nil {
			return server.Close()
		}
		return nil
	})
	if err := g.Wait(); !errors.Is(err, errClosed) {
		return err
	}
	return nil
}

// front sends proxy requests to the network and the others to the control
// verbs.
func (w *World) front(control http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect || r.URL.IsAbs() {
			w.network.ServeHTTP(rw, r)
			return
		}
		control.ServeHTTP(rw, r)
	})
}
