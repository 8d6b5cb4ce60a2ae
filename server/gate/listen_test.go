package gate

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory, for virtual time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

// serving runs a gate on pipes inside a bubble, until stop is called.
func serving(t *testing.T, l net.Listener, h http.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, h, 10*time.Second, slog.New(slog.DiscardHandler)) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A client that sends its request byte by byte is cut off when the time for it
// is over, and holds up nobody else (slow-loris).
func TestSlowLoris(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, start string
		says       string
		within     time.Duration
	}{
		{"a head that never ends", "GET /x HTTP/1.1\r\nHost: failover.example\r\n", "", 11 * time.Second},
		{"a body that never ends", "POST /x HTTP/1.1\r\nHost: failover.example\r\nAuthorization: Bearer " + adasToken + "\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n", "408 Request Timeout", 16 * time.Second},
		{"a body that nobody asked for, of somebody unknown", "POST /x HTTP/1.1\r\nHost: failover.example\r\nContent-Length: 100000\r\n\r\n", "401 Unauthorized", 16 * time.Second},
		{"the same in pieces", "POST /x HTTP/1.1\r\nHost: failover.example\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", "401 Unauthorized", 16 * time.Second},
		{"to another host", "POST /x HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 100000\r\n\r\n", "421 Misdirected", 16 * time.Second},
		{"to a route that is open", "GET /healthz HTTP/1.1\r\nHost: failover.example\r\nContent-Length: 100000\r\n\r\n", "200 OK", 16 * time.Second},
		{"to a door that does not read it", "POST /door/x HTTP/1.1\r\nHost: failover.example\r\nContent-Length: 100000\r\n\r\n", "404 Not Found", 16 * time.Second},
		{"to a door that reads it", "POST /door/read HTTP/1.1\r\nHost: failover.example\r\nContent-Length: 100000\r\n\r\n", "400 Bad Request", 16 * time.Second},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, _ := stand(t, func(o *Options) { o.Doors = map[string]http.Handler{"/door/": http.HandlerFunc(door)} })
				l := newPipes()
				stop := serving(t, l, remote(h))
				defer stop()
				slow := l.dial()
				defer slow.Close()
				begun := time.Now()
				heard := make(chan string, 1)
				go func() {
					raw, _ := io.ReadAll(slow)
					heard <- string(raw)
				}()
				if _, err := io.WriteString(slow, c.start); err != nil {
					t.Fatal(err)
				}
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					for {
						if _, err := io.WriteString(slow, "x"); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				}()
				if got := one(t, l); !strings.Contains(got, "200 OK") {
					t.Errorf("meanwhile somebody else gets %q", got)
				}
				text := <-heard
				_ = slow.Close()
				<-gone
				if took := time.Since(begun); took > c.within || !strings.Contains(text, c.says) {
					t.Errorf("cut off after %s with %q", took, text)
				}
			})
		})
	}
}

// door refuses everything, at /door/read once it has read the body.
func door(w http.ResponseWriter, r *http.Request) {
	status := http.StatusNotFound
	if r.URL.Path == "/door/read" {
		_, _ = io.Copy(io.Discard, r.Body)
		status = http.StatusBadRequest
	}
	w.WriteHeader(status)
}

// An answer may take longer than a body: the time of a body that has come is
// over.
func TestBodyTimeEndsWithTheBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
				w.WriteHeader(http.StatusTeapot)
			case <-time.After(time.Minute):
			}
		})
		h, _ := stand(t, func(o *Options) { o.Doors = map[string]http.Handler{"/door/": slow} })
		l := newPipes()
		stop := serving(t, l, remote(h))
		defer stop()
		c := l.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "POST /door/x HTTP/1.1\r\nHost: failover.example\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(c); !strings.Contains(string(text), "200 OK") {
			t.Errorf("after a minute of work: %q", text)
		}
	})
}

// Connections are bounded, those of one address to half of them: whoever holds
// them open keeps nobody else out, nor the process from its files.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	c := newConnections(4)
	opened := func(from string) *addressed {
		a := &addressed{from: from}
		c.note(a, http.StateNew)
		return a
	}
	first := opened("192.0.2.66:1")
	for i, want := range []bool{false, true, true} {
		if a := opened(fmt.Sprintf("192.0.2.66:%d", i+2)); a.closed != want {
			t.Errorf("connection %d of one address: closed %v", i+2, a.closed)
		} else if a.closed {
			c.note(a, http.StateClosed) // as the server says; it was not counted
		}
	}
	if a, b, d := opened("192.0.2.1:1"), opened("[2001:db8::1]:1"), opened("192.0.2.2:1"); a.closed || b.closed || !d.closed {
		t.Errorf("of others: closed %v %v, and beyond the most %v", a.closed, b.closed, d.closed)
	}
	c.note(first, http.StateActive)
	c.note(first, http.StateClosed)
	if opened("192.0.2.66:9").closed {
		t.Error("a place that was given back is not given again")
	}
}

// addressed is a connection with an address and nothing else.
type addressed struct {
	net.Conn
	from   string
	closed bool
}

// RemoteAddr implements net.Conn.
func (a *addressed) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a.from))
}

// Close implements net.Conn.
func (a *addressed) Close() error {
	a.closed = true
	return nil
}

// A server with all its places taken closes what comes, and says nothing to
// OPTIONS * that the gate would not.
func TestServeHasTheBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := stand(t, nil)
		l := newPipes()
		stop := serving(t, l, remote(h))
		defer stop()
		c := l.dial()
		if _, err := io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(c); !strings.Contains(string(text), "421 Misdirected") {
			t.Errorf("OPTIONS * is answered %q", text)
		}
		_ = c.Close()
		synctest.Wait()
		var held []net.Conn
		for range maxConnections / 2 {
			held = append(held, l.dial())
		}
		over, begun := l.dial(), time.Now()
		if text, err := io.ReadAll(over); err != nil || len(text) > 0 || time.Since(begun) > 0 {
			t.Errorf("one too many hears %q %v after %s", text, err, time.Since(begun))
		}
		for _, c := range append(held, over) {
			_ = c.Close()
		}
		synctest.Wait()
		if got := one(t, l); !strings.Contains(got, "200 OK") {
			t.Errorf("afterwards: %q", got)
		}
	})
}

// remote gives connections in memory a source address.
func remote(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "192.0.2.1:1"
		h.ServeHTTP(w, r)
	})
}

// one sends a good request on a connection of its own.
func one(t *testing.T, l *pipes) string {
	t.Helper()
	c := l.dial()
	defer c.Close()
	if _, err := io.WriteString(c, "GET /x HTTP/1.1\r\nHost: failover.example\r\nAuthorization: Bearer "+adasToken+"\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// Told to stop, the server lets long answers end and joins them.
func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		drained := false
		g, err := New(Options{Callers: folk{}, Hosts: []string{"failover.example"}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		stop := serving(t, l, remote(g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-Draining(r.Context())
			drained = true
		}))))
		c := l.dial()
		defer c.Close()
		go func() { _, _ = io.Copy(io.Discard, c) }()
		if _, err := io.WriteString(c, "GET /x HTTP/1.1\r\nHost: failover.example\r\nAuthorization: Bearer "+adasToken+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		begun := time.Now()
		stop()
		if !drained || time.Since(begun) > 2*time.Second {
			t.Errorf("drained %v after %s", drained, time.Since(begun))
		}
	})
}

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.key, a.cert = a.issue(t, name, nil)
	a.write(t, name+".pem", "CERTIFICATE", a.cert.Raw)
	return a
}

// issue makes a key and a certificate for it; parent nil is the authority itself.
func (a *authority) issue(t *testing.T, name string, parent *authority) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	signer, signKey := tmpl, key
	if parent != nil {
		signer, signKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, signer, &key.PublicKey, signKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// leaf writes a certificate and its key under a name; files of that name are
// written over.
func (a *authority) leaf(t *testing.T, file, name string) (cert, key string) {
	t.Helper()
	k, c := a.issue(t, name, a)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return a.write(t, file+".pem", "CERTIFICATE", c.Raw), a.write(t, file+".key", "PRIVATE KEY", der)
}

// TLS is served with the files of now; a client certificate says who asks, and
// one of another CA does not get in.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	cert, key := ca.leaf(t, "server", "first")
	log := &journal{}
	config, err := TLS(Certificates{cert, key, filepath.Join(ca.dir, "ca.pem")}, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h, _ := stand(t, nil)
	defer serving(t, tls.NewListener(plain, config), h)()
	ask := func(who *tls.Certificate) (text, server string, err error) {
		pool := x509.NewCertPool()
		pool.AddCert(ca.cert)
		c := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		if who != nil {
			// Shown whatever CA the server asks for.
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return who, nil }
		}
		tr := &http.Transport{TLSClientConfig: c}
		defer tr.CloseIdleConnections()
		res, err := (&http.Client{Transport: tr}).Get("https://" + plain.Addr().String() + "/x")
		if err != nil {
			return "", "", err
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		return string(raw), res.TLS.PeerCertificates[0].Subject.CommonName, err
	}
	client := func(a *authority, name string) *tls.Certificate {
		c, k := a.leaf(t, "client", name)
		pair, err := tls.LoadX509KeyPair(c, k)
		if err != nil {
			t.Fatal(err)
		}
		return &pair
	}
	if text, server, err := ask(client(ca, "ada")); err != nil || text != "CN=ada via certificate sent 0 bytes" || server != "first" {
		t.Errorf("a client certificate: %q from %q, %v", text, server, err)
	}
	if text, _, err := ask(client(ca, "mallory")); err != nil || !strings.Contains(text, "bad-credential") {
		t.Errorf("a certificate of nobody's: %q, %v", text, err)
	}
	if text, _, err := ask(nil); err != nil || !strings.Contains(text, "no-credential") {
		t.Errorf("no certificate: %q, %v", text, err)
	}
	if _, _, err := ask(client(other, "ada")); err == nil {
		t.Error("a certificate of another CA gets in")
	}
	// A bad file leaves the one before in force, a good one is taken up.
	if err := os.WriteFile(cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	within30s(t, "the bad file is noticed", func() bool {
		_, server, err := ask(client(ca, "ada"))
		return err == nil && server == "first" && strings.Contains(log.text(), "cannot be used")
	})
	ca.leaf(t, "server", "second")
	within30s(t, "the new certificate is served", func() bool {
		_, server, err := ask(client(ca, "ada"))
		return err == nil && server == "second"
	})
}

// within30s waits for a condition.
func within30s(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit, tick := time.NewTimer(30*time.Second), time.NewTicker(50*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-limit.C:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// Files that cannot be used are said at once, with their names.
func TestTLSFiles(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "ca")
	cert, key := ca.leaf(t, "server", "x")
	empty := filepath.Join(ca.dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why   string
		files Certificates
		says  string
	}{
		{"no such file", Certificates{cert + "x", key, ""}, cert + "x"},
		{"another's key", Certificates{filepath.Join(ca.dir, "ca.pem"), key, ""}, "server.tls"},
		{"no such CA", Certificates{cert, key, "nowhere.pem"}, "nowhere.pem"},
		{"an empty CA", Certificates{cert, key, empty}, empty},
	} {
		if _, err := TLS(c.files, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

// A listener that fails ends the server with its error.
func TestServeFails(t *testing.T) {
	t.Parallel()
	l := newPipes()
	_ = l.Close()
	if err := Serve(t.Context(), l, http.NotFoundHandler(), time.Second, slog.New(slog.DiscardHandler)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
