package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// spec 15.5
func TestTheCAVouchesForSimulatedHostsOnly(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	ca := p.Authority()
	verify := func(host string) error {
		// The saboteur holds the CA's key and makes a certificate for any host.
		cert, err := ca.mint(host, sound)
		if err != nil {
			t.Fatal(err)
		}
		_, err = cert.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: host})
		return err
	}
	for _, host := range p.Hosts() {
		if err := verify(host); err != nil {
			t.Errorf("%s is simulated and refused: %v", host, err)
		}
	}
	for _, host := range []string{"example.com", "amazonaws.com", "okta.com", "other.okta.com", "aws.amazon.com", "sts.eu-west-1.amazonaws.com", "localhost"} {
		var e x509.CertificateInvalidError
		if err := verify(host); !errors.As(err, &e) || e.Reason != x509.CANotAuthorizedForThisName {
			t.Errorf("%s is not simulated, yet the verifier says %v", host, err)
		}
	}
	if c := ca.cert; !c.PermittedDNSDomainsCritical || !c.IsCA || c.NotAfter.Sub(c.NotBefore) > 7*24*time.Hour || !strings.Contains(c.Subject.CommonName, "sandbox") {
		t.Errorf("the CA is not as promised: critical %v, life %s, name %s", c.PermittedDNSDomainsCritical, c.NotAfter.Sub(c.NotBefore), c.Subject)
	}
	if strings.Contains(string(ca.PEM()), "PRIVATE") {
		t.Error("the PEM for trust stores holds a key")
	}
	leaf, err := ca.leaf(stsHost, sound)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := ca.leaf(stsHost, sound); again != leaf {
		t.Error("certificates are not kept")
	}
	if leaf.Leaf.NotAfter.Sub(leaf.Leaf.NotBefore) > 7*24*time.Hour {
		t.Error("a certificate lives longer than seven days")
	}
}

func TestNoAddressIsVouchedFor(t *testing.T) {
	t.Parallel()
	ca := newProxy(t).Authority()
	cert, err := ca.mint(stsHost, sound)
	if err != nil {
		t.Fatal(err)
	}
	template := *cert.Leaf
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	der, err := x509.CreateCertificate(nil, &template, ca.cert, ca.leafKey.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: ca.Pool()}); err == nil {
		t.Error("a certificate for 127.0.0.1 is accepted")
	}
}

func TestTopmost(t *testing.T) {
	t.Parallel()
	got := topmost([]string{"us-west-2.signin.aws.amazon.com", "signin.aws.amazon.com", "iam.amazonaws.com", "xsignin.aws.amazon.com"})
	if want := "iam.amazonaws.com signin.aws.amazon.com xsignin.aws.amazon.com"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestConstructorRefusals(t *testing.T) {
	t.Parallel()
	s := sites()
	for name, bad := range map[string][]Site{
		"no sites at all":   {},
		"two for one host":  {s[0], s[0]},
		"upper case":        {{Host: "STS.amazonaws.com", Handler: s[0].Handler}},
		"no handler":        {{Host: "sts.amazonaws.com"}},
		"host without name": {{Handler: s[0].Handler}},
	} {
		if p, err := New(Options{Sites: bad}); err == nil {
			p.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

// spec 15.5
func TestListenOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		"127.0.0.1:0": true, "localhost:0": true, "127.8.8.8:0": true,
		"0.0.0.0:0": false, ":0": false, "[::]:0": false, "192.0.2.1:0": false, "example.com:0": false, "127.0.0.1": false, "": false,
	} {
		ln, err := Listen(addr)
		if err == nil {
			_ = ln.Close()
		}
		if (err == nil) != ok {
			t.Errorf("%q: %v, want accepted = %v", addr, err, ok)
		}
	}
}

func TestProxyRefusesWhatIsNotConnect(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	for name, row := range map[string]struct {
		method, target string
		status         int
		says           string
	}{
		"plain http through the proxy": {"GET", "http://" + stsHost + "/", 403, "https only"},
		"CONNECT without a port":       {"CONNECT", "//" + stsHost, 400, "host:port"},
		"CONNECT to another port":      {"CONNECT", "//" + stsHost + ":80", 502, "443 only"},
		"CONNECT to a stranger":        {"CONNECT", "//example.com:443", 502, "nothing was dialled"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), row.method, row.target, nil)
		r.Host = strings.TrimPrefix(row.target, "//") // as a server reads it
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code != row.status || !strings.Contains(w.Body.String(), row.says) || !strings.Contains(w.Header().Get("Proxy-Status"), "samlfailover-sandbox; error=") {
			t.Errorf("%s: %d %q %v", name, w.Code, w.Body, w.Header())
		}
	}
}

func TestHostHeaderMustNameTheConnectionsHost(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c := dialPlane.client(t, p)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+stsHost+"/", nil)
	r.Host = iamHost
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("one host's connection reaches another: %s", resp.Status)
	}
}

func TestAClientThatTalksBeforeItIsAsked(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	conn, err := net.Dial("tcp", serveSocket(t, p).Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	// CONNECT and the TLS hello in one write: the proxy has read the hello
	// before it answers.
	near, far := net.Pipe()
	hello := make(chan []byte, 1)
	go func() {
		buf := make([]byte, 16<<10)
		n, _ := far.Read(buf)
		hello <- buf[:n]
		_ = far.Close()
	}()
	_ = tls.Client(near, &tls.Config{ServerName: stsHost, RootCAs: p.Authority().Pool()}).Handshake() // fails, having said hello
	_ = near.Close()
	_, _ = conn.Write(append([]byte("CONNECT "+stsHost+":443 HTTP/1.1\r\nHost: "+stsHost+":443\r\n\r\n"), <-hello...))
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("CONNECT: %v, %v", resp, err)
	}
	if record, err := in.ReadByte(); err != nil || record != 22 {
		t.Errorf("no TLS handshake record followed: %d, %v", record, err)
	}
}

func TestDownCutsOpenConnections(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"down", "refuse"} {
		p := newProxy(t)
		c := dialPlane.client(t, p)
		ask := func() error { _, _, err := get(t.Context(), c, "https://"+stsHost+"/"); return err }
		if err := ask(); err != nil { // the connection stays open
			t.Fatal(err)
		}
		breaks(t, p, "us-west-2", kind)
		if err := ask(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: a kept connection outlives its Region: %v", kind, err)
		}
	}
}

func TestBlackholeHitsOpenConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProxy(t)
		c := dialPlane.client(t, p)
		if _, _, err := get(t.Context(), c, "https://"+stsHost+"/"); err != nil {
			t.Fatal(err)
		}
		breaks(t, p, "us-west-2", "blackhole")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+stsHost+"/", strings.NewReader("body"))
		begin := time.Now()
		if _, err := c.Do(r); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Hour {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	conn, err := p.DialContext(t.Context(), "tcp", stsHost+":443")
	if err != nil {
		t.Fatal(err)
	}
	breaks(t, p, "iam", "stall")
	stalled, err := p.DialContext(t.Context(), "tcp", iamHost+":443")
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.Close() // twice is fine
	for _, c := range []net.Conn{conn, stalled} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("an open connection says %v after Close", err)
		}
	}
	for _, pl := range []plane{handlerPlane, dialPlane} {
		if _, _, err := get(t.Context(), pl.client(t, p), "https://"+oktaHost+"/"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v", pl, err)
		}
	}
}

func TestWorldsSideBySide(t *testing.T) {
	t.Parallel()
	one, two := newProxy(t), newProxy(t)
	breaks(t, one, "sts", "down")
	if _, _, err := get(t.Context(), socketPlane.client(t, two), "https://"+stsHost+"/"); err != nil {
		t.Errorf("a fault in one world shows in another: %v", err)
	}
	stranger := transportClient(t, &http.Transport{DialContext: two.DialContext, TLSClientConfig: tlsConfig(one)})
	var e x509.UnknownAuthorityError
	if _, _, err := get(t.Context(), stranger, "https://"+stsHost+"/"); !errors.As(err, &e) {
		t.Errorf("one world trusts another world's CA: %v", err)
	}
}

func BenchmarkHandlerPlane(b *testing.B) {
	p := newProxy(b)
	c := handlerPlane.client(b, p)
	for b.Loop() {
		if _, _, err := get(b.Context(), c, "https://"+stsHost+"/"); err != nil {
			b.Fatal(err)
		}
	}
}
