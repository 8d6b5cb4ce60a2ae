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
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
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
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, _ := stand(t, func(o *Options) { o.Hosts = append(o.Hosts, "loris") })
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
