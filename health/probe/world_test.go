package probe_test

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
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/health/probe"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/signin"
)

var virginia = signin.MustRegion("us-east-1")

const signinHost = "signin.aws.amazon.com"

const metadata = `<?xml version="1.0"?><EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="urn:amazon:webservices"><SPSSODescriptor/></EntityDescriptor>`

// authority is a CA of one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		// Long enough for bubbles, where it is the year 2000.
		NotBefore: time.Now().AddDate(-40, 0, 0), NotAfter: time.Now().AddDate(40, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// leaf makes a certificate for host that is valid from and until these offsets
// from now.
func (a *authority) leaf(t *testing.T, host string, from, until time.Duration) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// prober trusts the authority and dials with dial.
func (a *authority) prober(t *testing.T, proxy string, timeout time.Duration, dial outbound.DialFunc) *probe.Prober {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, a.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := outbound.New(outbound.Settings{Proxy: proxy, CAFile: path, DialContext: dial})
	if err != nil {
		t.Fatal(err)
	}
	return probe.New(probe.Options{Network: n, Timeout: timeout, Vantage: "test"})
}

// conversation is what a server does with one accepted connection.
type conversation func(net.Conn)

// listen accepts on loopback and returns the address.
func listen(t *testing.T, talk conversation) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				talk(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// to dials one address whatever name is asked for.
func to(addr string) outbound.DialFunc {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}
}

// https speaks TLS with the certificate and hands one request to the handler.
func https(cert tls.Certificate, handler http.HandlerFunc) conversation {
	return func(c net.Conn) {
		secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		if secure.Handshake() != nil {
			return
		}
		serveOne(secure, handler)
	}
}

// serveOne serves one connection with net/http until somebody closes it.
func serveOne(c net.Conn, handler http.HandlerFunc) {
	l := &oneConn{conn: c, done: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	_ = server.Serve(l)
}

// oneConn is a listener with one connection; Accept fails once that is closed.
type oneConn struct {
	conn  net.Conn
	once  sync.Once
	close sync.Once
	done  chan struct{}
}

func (o *oneConn) Accept() (c net.Conn, err error) {
	err = net.ErrClosed
	o.once.Do(func() { c, err = closing{o.conn, o}, nil })
	if err != nil {
		<-o.done
	}
	return c, err
}
func (o *oneConn) Close() error   { return nil }
func (o *oneConn) Addr() net.Addr { return o.conn.LocalAddr() }

// closing tells its listener when it is closed.
type closing struct {
	net.Conn
	of *oneConn
}

func (c closing) Close() error {
	defer c.of.close.Do(func() { close(c.of.done) })
	return c.Conn.Close()
}

// connectProxy answers CONNECT: with the refusal if there is one, else by
// tunnelling to addr.
func connectProxy(addr, refusal string) conversation {
	return func(c net.Conn) {
		br := bufio.NewReader(c)
		req, err := http.ReadRequest(br)
		if err != nil || req.Method != http.MethodConnect {
			return
		}
		if refusal != "" {
			_, _ = io.WriteString(c, refusal)
			return
		}
		far, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer func() { _ = far.Close() }()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = io.Copy(far, br)
			_ = far.Close()
		})
		_, _ = io.Copy(c, far)
		_ = c.Close()
		wg.Wait()
	}
}

func answerWith(status int, header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if header != "" {
			w.Header().Set("Location", header)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// stsError is an answer in STS's shape (STS API Reference, Common Errors).
func stsError(status int, code string) http.HandlerFunc {
	return answerWith(status, "", fmt.Sprintf(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code))
}
