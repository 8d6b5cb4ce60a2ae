package outbound

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/samlfailover/samlfailover/finding"
)

// maxCAFile bounds a CA file; the largest public bundles are below 1 MiB.
const maxCAFile = 16 << 20

// CA describes one trusted CA certificate for people.
type CA struct {
	Subject  string    `json:"subject"`
	SHA256   string    `json:"sha256"` // of the certificate, hex
	NotAfter time.Time `json:"not_after"`
	Source   string    `json:"source"` // file it came from
}

// trust is a set of CAs; a nil pool means the system's own.
type trust struct {
	pool   *x509.CertPool
	cas    []CA
	source string
}

func (t trust) clonePool() *x509.CertPool {
	if t.pool == nil {
		return nil
	}
	return t.pool.Clone()
}

// chooseTrust decides the CAs for all hosts and for AWS hosts.
func chooseTrust(caFile string, env map[string]string) (all, aws trust, err error) {
	if caFile != "" {
		all, err = trustFile("network.ca_file", caFile)
		return all, all, err
	}
	if all, err = trustFromEnv(env); err != nil {
		return trust{}, trust{}, err
	}
	if bundle := env["AWS_CA_BUNDLE"]; bundle != "" {
		aws, err = trustFile("AWS_CA_BUNDLE", bundle)
		return all, aws, err
	}
	return all, all, nil
}

// trustFromEnv reads SSL_CERT_FILE and SSL_CERT_DIR (OpenSSL's names; Go reads
// them itself on some systems only).
func trustFromEnv(env map[string]string) (trust, error) {
	file, dirs := env["SSL_CERT_FILE"], env["SSL_CERT_DIR"]
	if file == "" && dirs == "" {
		return trust{source: "system"}, nil
	}
	out := trust{pool: x509.NewCertPool()}
	if file != "" {
		t, err := trustFile("SSL_CERT_FILE", file)
		if err != nil {
			return trust{}, err
		}
		out = t
	}
	for _, dir := range filepath.SplitList(dirs) {
		if err := out.addDir("SSL_CERT_DIR", dir); err != nil {
			return trust{}, err
		}
	}
	if len(out.cas) == 0 {
		return trust{}, setup("SSL_CERT_DIR", dirs, "holds no CA certificate")
	}
	return out, nil
}

// trustFile reads one PEM file that must hold at least one certificate.
func trustFile(setting, path string) (trust, error) {
	certs, err := readCerts(path)
	if err != nil {
		return trust{}, setup(setting, path, err.Error())
	}
	t := trust{pool: x509.NewCertPool(), source: setting + " " + path}
	t.add(certs, path)
	return t, nil
}

// addDir adds what certificates a folder holds; other files there are not ours
// to judge.
func (t *trust) addDir(setting, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return setup(setting, dir, plainFileError(err))
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if certs, err := readCerts(path); err == nil {
			t.add(certs, path)
		}
	}
	if t.source != "" {
		t.source += ", "
	}
	t.source += setting + " " + dir
	return nil
}

func (t *trust) add(certs []*x509.Certificate, source string) {
	for _, c := range certs {
		t.pool.AddCert(c)
		sum := sha256.Sum256(c.Raw)
		t.cas = append(t.cas, CA{Subject: c.Subject.String(), SHA256: hex.EncodeToString(sum[:]),
			NotAfter: c.NotAfter.UTC(), Source: source})
	}
}

// readCerts returns the certificates of a PEM file; none is an error.
func readCerts(path string) ([]*x509.Certificate, error) {
	raw, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	seen := false
	for rest := raw; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		seen = true
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it cannot be read (%w)", len(out)+1, err)
		}
		out = append(out, c)
	}
	switch {
	case !seen:
		return nil, errors.New("is not PEM (expected -----BEGIN CERTIFICATE-----)")
	case len(out) == 0:
		return nil, errors.New("is PEM but holds no certificate")
	}
	return out, nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, errors.New(plainFileError(err))
	case info.IsDir():
		return nil, errors.New("is a directory, expected a PEM file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.New(plainFileError(err))
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxCAFile+1))
	switch {
	case err != nil:
		return nil, errors.New(plainFileError(err))
	case len(raw) > maxCAFile:
		return nil, fmt.Errorf("is larger than %d MiB", maxCAFile>>20)
	}
	return raw, nil
}

func plainFileError(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read by this user"
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return "cannot be read: " + p.Err.Error()
	}
	return "cannot be read: " + err.Error()
}

func setup(setting, path, why string) error {
	return finding.Finding{Code: finding.NetworkSetup, Subject: setting, What: "the CA certificates cannot be used",
		Why: path + " " + why, Remedy: "point " + setting + " at a PEM file with the CA certificates to trust"}
}
