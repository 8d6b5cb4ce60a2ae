package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"

	"github.com/samlfailover/samlfailover/finding"
)

// warnBefore is how long before its end a certificate is reported.
const warnBefore = 30 * 24 * time.Hour

// credentials is a TLS setting that was read and checked.
type credentials struct {
	files TLS
	pair  tls.Certificate
	leaf  *x509.Certificate
	pool  *x509.CertPool
}

func badCertificate(file, what, remedy string, err error) error {
	return finding.Finding{Code: finding.StoreCertificate, Subject: "certificate " + file, What: what, Why: err.Error(), Remedy: remedy}
}

// load reads the files and checks them against each other and the clock, so that
// the trouble is told at the start and in words, not by handshakes that fail.
func (t TLS) load(now time.Time) (*credentials, error) {
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, badCertificate(t.CAFile, "the store's CA cannot be read", "name the file with the CA of the cluster", err)
	}
	c := &credentials{files: t, pool: x509.NewCertPool()}
	if !c.pool.AppendCertsFromPEM(pem) {
		return nil, badCertificate(t.CAFile, "the store's CA cannot be read", "name the file with the CA of the cluster", errors.New("there is no certificate in PEM in it"))
	}
	if c.pair, err = tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
		return nil, badCertificate(t.CertFile, "the store's certificate and key cannot be used", "name a certificate in PEM and its key", err)
	}
	c.leaf = c.pair.Leaf
	if c.leaf == nil {
		if c.leaf, err = x509.ParseCertificate(c.pair.Certificate[0]); err != nil {
			return nil, badCertificate(t.CertFile, "the store's certificate cannot be read", "name a certificate in PEM", err)
		}
	}
	return c, c.check(now)
}

func (c *credentials) check(now time.Time) error {
	switch {
	case now.Before(c.leaf.NotBefore):
		return badCertificate(c.files.CertFile, "the store's certificate is not valid yet", "set the clock of this machine, or wait",
			fmt.Errorf("it is valid from %s, and the clock says %s", c.leaf.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)))
	case now.After(c.leaf.NotAfter):
		return badCertificate(c.files.CertFile, "the store's certificate has expired", "issue a new one from the cluster's CA and start again",
			fmt.Errorf("it was valid until %s, and the clock says %s", c.leaf.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)))
	}
	between := x509.NewCertPool()
	for _, der := range c.pair.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(cert)
		}
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := c.leaf.Verify(x509.VerifyOptions{Roots: c.pool, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{use}})
		var unknown x509.UnknownAuthorityError
		switch {
		case errors.As(err, &unknown):
			return badCertificate(c.files.CertFile, "the store's certificate is not of the CA that is named beside it", "name the CA that issued it ("+c.leaf.Issuer.String()+"), or issue a new one", err)
		case err != nil:
			return badCertificate(c.files.CertFile, "the store's certificate cannot be used for both directions", "issue one for server and client authentication", err)
		}
	}
	return nil
}

// warning returns a finding when the certificate ends soon.
func (c *credentials) warning(now time.Time) *finding.Finding {
	if c == nil || c.leaf.NotAfter.Sub(now) > warnBefore {
		return nil
	}
	return &finding.Finding{Code: finding.StoreCertificate, Subject: "certificate " + c.files.CertFile,
		What:   "the store's certificate ends soon",
		Why:    fmt.Sprintf("it is valid until %s, %d days from now", c.leaf.NotAfter.UTC().Format(time.RFC3339), int(c.leaf.NotAfter.Sub(now).Hours()/24)),
		Remedy: "issue a new one from the cluster's CA; it is read at the next start"}
}

// config is for a client of an existing cluster.
func (c *credentials) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.pool, Certificates: []tls.Certificate{c.pair}}
}

// info is for an embedded member: client certificates on both ports, of this CA
// and for these names only.
func (c *credentials) info(allowed []string) transport.TLSInfo {
	return transport.TLSInfo{CertFile: c.files.CertFile, KeyFile: c.files.KeyFile, TrustedCAFile: c.files.CAFile,
		ClientCertAuth: true, AllowedHostnames: allowed, SkipClientSANVerify: true}
}
