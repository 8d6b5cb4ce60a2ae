package gate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

type drainKey struct{}

// drainTime is how long answers that are under way may take once the server is
// told to stop.
const drainTime = 5 * time.Second

// Serve answers on a listener until ctx ends, then takes no more requests, lets
// those under way end (see Draining), and joins them. headerTime bounds the head
// of a request.
func Serve(ctx context.Context, l net.Listener, h http.Handler, headerTime time.Duration, log *slog.Logger) error {
	var under sync.WaitGroup
	defer under.Wait()
	draining := make(chan struct{})
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			under.Add(1)
			defer under.Done()
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: headerTime,
		ConnState:         newConnections(maxConnections).note,
		// Go's own answer to OPTIONS * would come before the gate.
		DisableGeneralOptionsHandler: true,
		IdleTimeout:                  time.Minute,
		MaxHeaderBytes:               32 << 10,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), drainKey{}, (<-chan struct{})(draining))
		},
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		close(draining)
		return fmt.Errorf("answer on %s: %w", l.Addr(), errors.Join(err, srv.Close()))
	case <-ctx.Done():
	}
	close(draining)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("stop answering on %s: %w", l.Addr(), err)
	}
	return nil
}

// Certificates are the server's files; ClientCA may be "".
type Certificates struct{ Cert, Key, ClientCA string }

// TLS reads the files and returns settings that read them again when they have
// changed. Files that have become bad leave those from before in force.
func TLS(c Certificates, log *slog.Logger) (*tls.Config, error) {
	f := &certificateFiles{names: c, log: log}
	first, err := f.read()
	if err != nil {
		return nil, err
	}
	f.config, f.stamp, f.looked = first, f.stamps(), time.Now()
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: first.NextProtos,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.now(), nil }}, nil
}

type certificateFiles struct {
	names Certificates
	log   *slog.Logger

	mu     sync.Mutex
	config *tls.Config
	stamp  string
	looked time.Time
}

// lookEvery is how often the files are looked at, at most.
const lookEvery = time.Second

func (f *certificateFiles) now() *tls.Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) < lookEvery {
		return f.config
	}
	f.looked = time.Now()
	stamp := f.stamps()
	if stamp == f.stamp {
		return f.config
	}
	f.stamp = stamp
	next, err := f.read()
	if err != nil {
		f.log.Error("the server's certificate files have changed and cannot be used; those from before stay in force", "error", err)
		return f.config
	}
	f.config = next
	f.log.Info("the server's certificate files were read again", "cert", f.names.Cert)
	return f.config
}

func (f *certificateFiles) stamps() string {
	out := ""
	for _, name := range []string{f.names.Cert, f.names.Key, f.names.ClientCA} {
		if info, err := os.Stat(name); err == nil {
			out += fmt.Sprint(info.ModTime().UnixNano(), "/", info.Size(), " ")
		} else {
			out += "- "
		}
	}
	return out
}

func (f *certificateFiles) read() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.names.Cert, f.names.Key)
	if err != nil {
		return nil, fmt.Errorf("server.tls: certificate %s with key %s: %w", f.names.Cert, f.names.Key, err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if f.names.ClientCA == "" {
		return out, nil
	}
	text, err := os.ReadFile(f.names.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("server.client_ca: %w", err)
	}
	out.ClientCAs, out.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
	if !out.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("server.client_ca: %s holds no certificate in PEM", f.names.ClientCA)
	}
	return out, nil
}
