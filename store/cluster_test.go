package store

import (
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
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/finding"
)

// ca is a CA for tests.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newCA(t *testing.T) *ca {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &ca{key: key, dir: t.TempDir()}
	c.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test store CA"}, NotBefore: time.Now().Add(-48 * time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour * 365), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c.cert, c.cert, key.Public(), key)
	must(t, err)
	c.cert, err = x509.ParseCertificate(der)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(c.dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return c
}

// issue makes a certificate for this machine, valid for so long from now, and
// changed as the test wants it.
func (c *ca) issue(t *testing.T, name string, valid time.Duration, change ...func(*x509.Certificate)) TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	cert := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(valid), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	for _, f := range change {
		f(cert)
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, c.cert, key.Public(), c.key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	out := TLS{filepath.Join(c.dir, name+".pem"), filepath.Join(c.dir, name+".key"), filepath.Join(c.dir, "ca.pem")}
	must(t, os.WriteFile(out.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(out.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return out
}

const year = 365 * 24 * time.Hour

// freeURLs returns https URLs on ports that are free now.
func freeURLs(t *testing.T, n int) []string {
	t.Helper()
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer l.Close()
		out = append(out, "https://"+l.Addr().String())
	}
	return out
}

// trio returns the options of three members, the first of which etcd clients may
// reach.
func trio(t *testing.T, c *ca) []Options {
	t.Helper()
	urls := freeURLs(t, 4)
	names := []string{"one", "two", "three"}
	var peers []Peer
	for i, n := range names {
		peers = append(peers, Peer{n, urls[i]})
	}
	var out []Options
	for i, n := range names {
		e := &Embedded{Dir: private(t), RuntimeDir: "/tmp", Peers: peers, TLS: c.issue(t, n, year), Ballast: -1, UnsafeNoSync: true}
		if i == 0 {
			e.ClientURL = urls[3]
		}
		out = append(out, Options{Name: n, Embedded: e, Seal: testKey(t), LeaseTTL: minTTL, Log: testLog()})
	}
	return out
}

// openAll opens the members at once, as a cluster needs it.
func openAll(t *testing.T, all []Options) []*Store {
	t.Helper()
	type result struct {
		i   int
		s   *Store
		err error
	}
	done := make(chan result)
	for i, o := range all {
		go func() {
			s, err := Open(context.Background(), o)
			done <- result{i, s, err}
		}()
	}
	out := make([]*Store, len(all))
	for range all {
		r := <-done
		must(t, r.err)
		out[r.i] = r.s
		t.Cleanup(func() { _ = r.s.Close() })
	}
	return out
}

// spec 9.5, 11.3: three members: one leads, the next takes over when it dies;
// without a majority nobody leads and reads are served, labelled; the way back.
func TestCluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("three members and a lost majority take about fifteen seconds")
	}
	c := newCA(t)
	opts := trio(t, c)
	s := openAll(t, opts)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	first, err := s[2].Campaign(ctx)
	must(t, err)
	must(t, first.Journal().Begin(ctx, record("m1", "corp", 1)), first.Audit().Record(ctx, "a", "b", "c", nil))

	// A client with a certificate of the CA reaches the cluster; it is the third
	// way to run the store.
	outside := Options{Name: "outside", Existing: &Existing{Endpoints: []string{opts[0].Embedded.ClientURL}, TLS: c.issue(t, "client", year)}, Seal: testKey(t), Log: testLog(), LeaseTTL: minTTL}
	x, err := Open(ctx, outside)
	must(t, err)
	if open, err := readNow(t, x).Open(ctx); err != nil || len(open) != 1 {
		t.Errorf("from outside: %v %v", open, err)
	}
	st, err := x.Status(ctx)
	if err != nil || st.Kind != "existing" || len(st.Members) != 3 || st.Leader != "three" {
		t.Errorf("from outside: %+v %v", st, err)
	}
	must(t, x.Close())

	// The leader dies without a word.
	won := make(chan *Term, 1)
	go func() {
		if next, err := s[0].Campaign(ctx); err == nil {
			won <- next
		}
	}()
	began := time.Now()
	must(t, s[2].Close())
	t.Logf("closing a member took %s", time.Since(began))
	began = time.Now()
	var second *Term
	select {
	case second = <-won:
	case <-ctx.Done():
		t.Fatal("nobody takes over")
	}
	took := time.Since(began)
	t.Logf("the take-over took %s", took)
	// The dead controller may have been etcd's own leader too: the next one is
	// elected first (1 to 2 s), and gives every lease its whole time and a second.
	if took > s[0].LeaseTTL()+4*time.Second {
		t.Errorf("the take-over took %s", took)
	}
	must(t, second.Journal().Note(ctx, "m1", note(record("m1", "corp", 1).Steps[0].App, move.Planned)))
	st, err = s[0].Status(ctx)
	if err != nil || st.Kind != "cluster" || !st.Quorum || st.Leader != "one" {
		t.Errorf("with two of three: %+v %v", st, err)
	}

	// The majority is lost: the leadership ends, reads go on.
	must(t, s[1].Close())
	began = time.Now()
	lostSoon(t, second)
	took = time.Since(began)
	t.Logf("the lost majority was told after %s", took)
	if took > s[0].LeaseTTL()+2*time.Second {
		t.Errorf("the lost majority was told after %s", took)
	}
	if err := second.Journal().Note(ctx, "m1", note(record("m1", "corp", 1).Steps[0].App, move.Written)); !errors.Is(err, move.ErrDeposed) {
		t.Errorf("a note without a majority: %v", err)
	}
	r, err := s[0].Reads(ctx)
	must(t, err)
	if open, err := r.Open(ctx); err != nil || !r.Stale || len(open) != 1 || len(open[0].Notes) != 1 {
		t.Errorf("reads without a majority: stale %v, %v: %v", r.Stale, open, err)
	}
	if st, err = s[0].Status(ctx); err != nil || st.Quorum || len(st.Findings) == 0 || st.Findings[0].Code != finding.StoreUnavailable {
		t.Errorf("the state without a majority: %+v %v", st, err)
	}
	short, done := context.WithTimeout(ctx, 2*time.Second)
	if _, err := s[0].Campaign(short); err == nil {
		t.Error("a leader without a majority")
	}
	done()

	// A member comes back, and with it the majority.
	back := openAll(t, opts[1:2])
	third, err := back[0].Campaign(ctx)
	must(t, err)
	open, err := third.Journal().Open(ctx)
	if err != nil || len(open) != 1 || len(open[0].Notes) != 1 {
		t.Errorf("after the majority is back: %v %v", open, err)
	}
	must(t, third.Journal().Finish(ctx, "m1", ended(open[0])))
}

// spec 11.3: without a certificate of the cluster's CA, for an allowed name,
// nobody gets in: on neither port.
func TestClusterRefusesStrangers(t *testing.T) {
	t.Parallel()
	c, stranger := newCA(t), newCA(t)
	opts := trio(t, c)
	for i := range opts {
		opts[i].Embedded.AllowedNames = []string{"127.0.0.1"}
	}
	openAll(t, opts[:2])
	elsewhere := c.issue(t, "elsewhere", year, func(x *x509.Certificate) { x.IPAddresses, x.DNSNames = nil, []string{"other.example"} })
	theirs := stranger.issue(t, "stranger", year)
	for port, url := range map[string]string{"client": opts[0].Embedded.ClientURL, "peer": opts[0].Embedded.Peers[0].URL} {
		for name, files := range map[string]*TLS{"no certificate": nil, "of another CA": &theirs, "for another name": &elsewhere} {
			if err := handshakeWith(t, c, url, files); err == nil {
				t.Errorf("%s port, a certificate %s: it is let in", port, name)
			}
		}
		mine := c.issue(t, "mine", year)
		if err := handshakeWith(t, c, url, &mine); err != nil {
			t.Errorf("%s port, the right certificate: %v", port, err)
		}
		// Not even a question by http is answered.
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "https://"))
		must(t, err)
		fmt.Fprint(conn, "GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
		answer := make([]byte, 256)
		n, _ := conn.Read(answer)
		if strings.Contains(string(answer[:n]), "etcdserver") || strings.Contains(string(answer[:n]), "200 OK") {
			t.Errorf("%s port answers http: %s", port, answer[:n])
		}
		conn.Close()
	}
}

// handshakeWith connects and waits until the server has taken the certificate.
func handshakeWith(t *testing.T, c *ca, url string, files *TLS) error {
	t.Helper()
	conf := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS13}
	conf.RootCAs.AddCert(c.cert)
	if files != nil {
		pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
		must(t, err)
		conf.Certificates = []tls.Certificate{pair}
	}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), conf)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = conn.Read(make([]byte, 1))
	return err
}

// Certificates are checked at the start, in words.
func TestCertificates(t *testing.T) {
	t.Parallel()
	c, other := newCA(t), newCA(t)
	good := c.issue(t, "good", year)
	wrongCA := other.issue(t, "other", year)
	wrongCA.CAFile = good.CAFile
	rows := []struct {
		name  string
		files TLS
		want  []string
	}{
		{"expired", c.issue(t, "expired", -time.Hour), []string{"has expired", "issue a new one"}},
		{"not valid yet", c.issue(t, "early", year, func(x *x509.Certificate) { x.NotBefore = time.Now().Add(time.Hour) }), []string{"not valid yet", "clock"}},
		{"of another CA", wrongCA, []string{"not of the CA", "test store CA"}},
		{"for a server only", c.issue(t, "server", year, func(x *x509.Certificate) { x.ExtKeyUsage = x.ExtKeyUsage[:1] }), []string{"both directions"}},
		{"no CA file", TLS{good.CertFile, good.KeyFile, "none"}, []string{"CA cannot be read"}},
		{"a key for a CA", TLS{good.CertFile, good.KeyFile, good.KeyFile}, []string{"no certificate in PEM"}},
		{"another key", TLS{good.CertFile, wrongCA.KeyFile, good.CAFile}, []string{"cannot be used"}},
	}
	for _, row := range rows {
		_, err := row.files.load(time.Now())
		t.Run(row.name, func(t *testing.T) { reported(t, err, finding.StoreCertificate, row.want...) })
	}
	creds, err := good.load(time.Now())
	must(t, err)
	if w := creds.warning(time.Now()); w != nil {
		t.Errorf("a fresh certificate is warned of: %v", w)
	}
	soon := c.issue(t, "soon", 10*24*time.Hour)
	creds, err = soon.load(time.Now())
	must(t, err)
	if w := creds.warning(time.Now()); w == nil || !strings.Contains(w.Why, "9 days") {
		t.Errorf("a certificate that ends in ten days: %v", w)
	}
	o := trio(t, c)[0]
	o.Embedded.TLS = rows[0].files
	_, err = Open(t.Context(), o)
	reported(t, err, finding.StoreCertificate, "has expired")
}

// An existing cluster that cannot be reached, or is not of our CA, is told apart.
func TestExistingUnreachable(t *testing.T) {
	t.Parallel()
	c, other := newCA(t), newCA(t)
	o := Options{Name: "x", Existing: &Existing{Endpoints: freeURLs(t, 1), TLS: c.issue(t, "client", year)}, Seal: testKey(t), Log: testLog()}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := Open(ctx, o)
	reported(t, err, finding.StoreUnavailable, "connection refused")
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("it is not unavailable: %v", err)
	}
	files := other.issue(t, "server", year)
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	must(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13})
	must(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = conn.Read(make([]byte, 1))
				conn.Close()
			}()
		}
	}()
	o.Existing.Endpoints = []string{"https://" + l.Addr().String()}
	ctx2, cancel2 := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel2()
	_, err = Open(ctx2, o)
	reported(t, err, finding.StoreUnavailable, "not of the CA")
}
