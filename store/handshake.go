package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"
)

// handshake tries a TLS connection to each endpoint and says what is wrong with
// the first that cannot be made, "" if all can.
func (s *Store) handshake() string {
	for _, text := range s.opts.Existing.Endpoints {
		u, err := secureURL(text)
		if err != nil || u.Scheme != "https" || s.creds == nil {
			continue
		}
		if err := s.shake(u.Host); err != nil {
			var unknown *tls.CertificateVerificationError
			if errors.As(err, &unknown) {
				return fmt.Sprintf("%s shows a certificate that is not of the CA in %s, has expired, or is for another name: %v", text, s.creds.files.CAFile, err)
			}
			return fmt.Sprintf("%s: %v", text, err)
		}
	}
	return ""
}

func (s *Store) shake(host string) error {
	ctx, cancel := context.WithTimeout(s.life, 2*time.Second)
	defer cancel()
	d := tls.Dialer{Config: s.creds.config()}
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	defer conn.Close()
	// With TLS 1.3 a server refuses our certificate only after our handshake.
	if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil && strings.Contains(err.Error(), "remote error") {
		return fmt.Errorf("it refuses our certificate %s: %w", s.creds.files.CertFile, err)
	}
	return nil
}
