package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// caLife is how long the CA and its certificates are valid, counted from an
// hour before they are made: seven days at most. A world does not outlive it.
const caLife = 7*24*time.Hour - time.Minute

// Authority is the sandbox's own CA. Its key exists in memory only. Critical
// name constraints (RFC 5280, 4.2.1.10) hold it to the simulated hosts, so that
// even a stolen key could not vouch for any other. Safe for concurrent use.
type Authority struct {
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	der   []byte
	hosts []string

	leafKey *ecdsa.PrivateKey
	mu      sync.Mutex
	leaves  map[leafName]*tls.Certificate
}

// flavour says what is wrong with a certificate.
type flavour string

const (
	sound     flavour = ""
	expired   flavour = "expired"
	wrongName flavour = "wrong-name"
)

type leafName struct {
	host    string
	flavour flavour
}

// NewAuthority makes a CA that may vouch for these hosts and no others. now is
// the time from which it is valid.
func NewAuthority(hosts []string, now time.Time) (*Authority, error) {
	if len(hosts) == 0 {
		return nil, fmt.Errorf("make the sandbox's CA: it needs at least one host to be constrained to")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of the sandbox's CA: %w", err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of the sandbox's certificates: %w", err)
	}
	a := &Authority{key: key, leafKey: leafKey, hosts: slices.Clone(hosts), leaves: map[leafName]*tls.Certificate{}}
	template, err := caTemplate(hosts, now)
	if err != nil {
		return nil, err
	}
	if a.der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
		return nil, fmt.Errorf("make the certificate of the sandbox's CA: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(a.der); err != nil {
		return nil, fmt.Errorf("read back the certificate of the sandbox's CA: %w", err)
	}
	return a, nil
}

func caTemplate(hosts []string, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	from := now.Add(-time.Hour)
	return &x509.Certificate{
		SerialNumber:                serial,
		Subject:                     pkix.Name{Organization: []string{"samlfailover"}, CommonName: "samlfailover sandbox CA (simulated world only)"},
		NotBefore:                   from,
		NotAfter:                    from.Add(caLife),
		IsCA:                        true,
		BasicConstraintsValid:       true,
		MaxPathLenZero:              true,
		KeyUsage:                    x509.KeyUsageCertSign,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         topmost(hosts),
		ExcludedIPRanges:            everyAddress(),
	}, nil
}

// topmost drops hosts that lie below another one of the list: a constraint
// covers what lies below it.
func topmost(hosts []string) []string {
	have := map[string]bool{}
	for _, h := range hosts {
		have[h] = true
	}
	var out []string
	for h := range have {
		covered := false
		for rest := h; !covered && strings.Contains(rest, "."); {
			_, rest, _ = strings.Cut(rest, ".")
			covered = have[rest]
		}
		if !covered {
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return out
}

func everyAddress() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
		{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
	}
}

func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("draw a certificate's serial number: %w", err)
	}
	return n, nil
}

// PEM returns the CA's certificate for trust stores.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.der})
}

// SPKI returns the base64 SHA-256 of the CA's public key, the form that
// Chromium's --ignore-certificate-errors-spki-list takes.
func (a *Authority) SPKI() string {
	sum := sha256.Sum256(a.cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Expires returns when the CA's certificate ends, and with it the world's use.
func (a *Authority) Expires() time.Time { return a.cert.NotAfter }

// Pool returns a fresh pool that trusts this CA alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// leaf returns the certificate for a simulated host, making it at first use.
func (a *Authority) leaf(host string, f flavour) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := leafName{host, f}
	if have := a.leaves[name]; have != nil {
		return have, nil
	}
	cert, err := a.mint(host, f)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", host, err)
	}
	a.leaves[name] = cert
	return cert, nil
}

// mint makes a certificate, whatever the host: that a foreign one is worthless
// is the name constraints' doing, and a test shows it.
func (a *Authority) mint(host string, f flavour) (*tls.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"samlfailover sandbox"}},
		NotBefore:    a.cert.NotBefore,
		NotAfter:     a.cert.NotAfter,
		DNSNames:     []string{host},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	switch f {
	case expired:
		template.NotBefore = a.cert.NotBefore.Add(-48 * time.Hour)
		template.NotAfter = a.cert.NotBefore.Add(-24 * time.Hour)
	case wrongName:
		template.DNSNames = []string{"wrong-name." + host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.leafKey.Public(), a.key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	// The CA goes along, because Chromium looks for its key in the chain.
	return &tls.Certificate{Certificate: [][]byte{der, a.der}, PrivateKey: a.leafKey, Leaf: parsed}, nil
}
