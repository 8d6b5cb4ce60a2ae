package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Diagnosis says in which phase an exchange failed and why.
type Diagnosis struct {
	Phase Phase
	// Code is a stable word such as "connect-refused"; the Code constants list
	// all of them.
	Code string
	// Reason is one sentence for people, without a full stop.
	Reason string
	// Ours is true when the fault lies between us and our own way out (proxy,
	// cancelled by us): it says nothing about the far host.
	Ours bool
}

// The codes of Diagnosis.
const (
	CodeDNSFailed        = "dns-failed"
	CodeConnectRefused   = "connect-refused"
	CodeConnectTimeout   = "connect-timeout"
	CodeConnectFailed    = "connect-failed"
	CodeProxyUnreachable = "proxy-unreachable"
	CodeProxyDenied      = "proxy-denied"
	CodeProxyRefused     = "proxy-refused"
	CodeTLSExpired       = "tls-expired"
	CodeTLSNotYetValid   = "tls-not-yet-valid"
	CodeTLSWrongName     = "tls-wrong-name"
	CodeTLSUntrusted     = "tls-untrusted"
	CodeTLSHandshake     = "tls-handshake"
	CodeTLSTimeout       = "tls-timeout"
	CodeReset            = "reset"
	CodeNoAnswer         = "no-answer"
	CodeSlowBody         = "slow-body"
	CodeTruncated        = "truncated"
	CodeCancelled        = "cancelled"
	CodeFailed           = "failed"
)

// Diagnose explains the error of an exchange with host that t followed.
func Diagnose(err error, t *Trace, host string) Diagnosis {
	phase, proxied, dialed := t.state()
	var answer *ProxyAnswer
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &answer):
		return diagnoseProxy(answer, host)
	case errors.Is(err, context.Canceled):
		return Diagnosis{phase, CodeCancelled, "the call to " + host + " was cancelled on our side", true}
	case proxied && !dialed:
		return Diagnosis{PhaseProxy, CodeProxyUnreachable, "our own proxy could not be reached, so nothing is known about " + host, true}
	case errors.As(err, &dns):
		return Diagnosis{PhaseDNS, CodeDNSFailed, dnsReason(dns, host), false}
	case isTimeout(err):
		return diagnoseTimeout(phase, host)
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return Diagnosis{PhaseProxy, CodeProxyUnreachable, "our own proxy could not be used, so nothing is known about " + host, true}
	}
	if d, ok := diagnoseTLS(err, phase, host); ok {
		return d
	}
	return diagnoseConn(err, phase, host)
}

func dnsReason(dns *net.DNSError, host string) string {
	switch {
	case dns.IsNotFound:
		return "the name " + host + " does not resolve"
	case dns.IsTimeout:
		return "looking up the name " + host + " took too long"
	}
	return "looking up the name " + host + " failed: no answer from a name server"
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &n) && n.Timeout())
}

func diagnoseTimeout(phase Phase, host string) Diagnosis {
	switch phase {
	case PhaseDNS:
		return Diagnosis{phase, CodeDNSFailed, "looking up the name " + host + " took too long", false}
	case PhaseConnect:
		return Diagnosis{phase, CodeConnectTimeout, "no connection to " + host + " in time: nothing answered", false}
	case PhaseProxy:
		return Diagnosis{phase, CodeConnectTimeout, "the proxy did not get through to " + host + " in time", false}
	case PhaseTLS:
		return Diagnosis{phase, CodeTLSTimeout, host + " took the connection but did not finish the TLS handshake in time", false}
	case PhaseBody:
		return Diagnosis{phase, CodeSlowBody, host + " began to answer but did not finish in time", false}
	}
	return Diagnosis{phase, CodeNoAnswer, host + " took the request but sent no answer in time", false}
}

// diagnoseProxy refines a proxy's refusal by the error types of RFC 9209
// section 2.3.
func diagnoseProxy(a *ProxyAnswer, host string) Diagnosis {
	d := Diagnosis{Phase: PhaseProxy}
	switch a.Cause {
	case "dns_error", "dns_timeout", "destination_not_found":
		d.Code, d.Reason = CodeDNSFailed, "the proxy could not resolve the name "+host
	case "connection_refused":
		d.Code, d.Reason = CodeConnectRefused, "the proxy could not connect to "+host+": refused"
	case "connection_timeout", "connection_read_timeout", "connection_write_timeout":
		d.Code, d.Reason = CodeConnectTimeout, "the proxy could not connect to "+host+" in time"
	case "connection_terminated":
		d.Code, d.Reason = CodeReset, "the proxy's connection to "+host+" was closed by the other side"
	case "destination_unavailable", "destination_ip_unroutable":
		d.Code, d.Reason = CodeConnectFailed, "the proxy has no way to "+host+" ("+a.Cause+")"
	case "destination_ip_prohibited", "http_request_denied":
		d.Code, d.Reason, d.Ours = CodeProxyDenied, "the proxy does not allow connections to "+host+" ("+a.Cause+")", true
	case "connection_limit_reached", "proxy_internal_error", "proxy_internal_response", "proxy_configuration_error", "proxy_loop_detected":
		d.Code, d.Reason, d.Ours = CodeProxyUnreachable, "our own proxy is out of order ("+a.Cause+"), so nothing is known about "+host, true
	default:
		return diagnoseProxyStatus(a, host)
	}
	return d
}

// diagnoseProxyStatus goes by the status alone.
func diagnoseProxyStatus(a *ProxyAnswer, host string) Diagnosis {
	switch a.Status {
	case 407:
		return Diagnosis{PhaseProxy, CodeProxyDenied, "the proxy wants other credentials (407)", true}
	case 401, 403, 405, 429, 451:
		return Diagnosis{PhaseProxy, CodeProxyDenied, fmt.Sprintf("the proxy does not allow connections to %s (%d)", host, a.Status), true}
	}
	return Diagnosis{PhaseProxy, CodeProxyRefused, fmt.Sprintf("the proxy answered %d instead of connecting to %s", a.Status, host), false}
}

func diagnoseTLS(err error, phase Phase, host string) (Diagnosis, bool) {
	say := func(code, reason string) (Diagnosis, bool) { return Diagnosis{PhaseTLS, code, reason, false}, true }
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil && invalid.Cert.NotBefore.After(time.Now()):
		return say(CodeTLSNotYetValid, fmt.Sprintf("the certificate of %s is valid only from %s (is our clock right?)", host, invalid.Cert.NotBefore.UTC().Format(time.RFC3339)))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return say(CodeTLSExpired, fmt.Sprintf("the certificate of %s expired on %s", host, invalid.Cert.NotAfter.UTC().Format(time.RFC3339)))
	case errors.As(err, &name):
		return say(CodeTLSWrongName, "the certificate is not for "+host)
	case errors.As(err, &unknown):
		return say(CodeTLSUntrusted, "the certificate of "+host+" comes from an authority that is not trusted here (behind a TLS-intercepting proxy set network.ca_file)")
	case errors.As(err, &invalid), errors.As(err, &verify):
		return say(CodeTLSUntrusted, "the certificate of "+host+" could not be verified")
	case errors.As(err, &record):
		return say(CodeTLSHandshake, host+" answered something that is not TLS")
	case errors.As(err, &alert):
		return say(CodeTLSHandshake, host+" broke off the TLS handshake: "+alert.Error())
	case phase == PhaseTLS && !errors.Is(err, syscall.ECONNRESET):
		return say(CodeTLSHandshake, host+" closed the connection during the TLS handshake")
	}
	return Diagnosis{}, false
}

func diagnoseConn(err error, phase Phase, host string) Diagnosis {
	switch {
	case isErrno(err, syscall.ECONNREFUSED, 10061):
		return Diagnosis{PhaseConnect, CodeConnectRefused, host + " refused the connection", false}
	case phase == PhaseDNS || phase == PhaseConnect:
		return Diagnosis{PhaseConnect, CodeConnectFailed, "no connection to " + host + ": " + plainErrno(err), false}
	case phase == PhaseProxy:
		return Diagnosis{phase, CodeProxyRefused, "the proxy broke off instead of connecting to " + host, false}
	case phase == PhaseBody && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)):
		return Diagnosis{phase, CodeTruncated, "the answer of " + host + " ended too early", false}
	case isErrno(err, syscall.ECONNRESET, 10054), isErrno(err, syscall.EPIPE, 10053),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		return Diagnosis{phase, CodeReset, host + " closed the connection without a full answer", false}
	case strings.Contains(err.Error(), "malformed"):
		return Diagnosis{phase, CodeFailed, host + " answered something that is not HTTP", false}
	case strings.Contains(err.Error(), "server closed"):
		return Diagnosis{phase, CodeReset, host + " closed the connection without a full answer", false}
	}
	return Diagnosis{phase, CodeFailed, "the exchange with " + host + " failed", false}
}

// isErrno compares with an error number; Windows has its own for sockets.
func isErrno(err error, unix syscall.Errno, winsock uintptr) bool {
	var e syscall.Errno
	return errors.As(err, &e) && (e == unix || uintptr(e) == winsock)
}

// plainErrno names the system's reason, without addresses.
func plainErrno(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e.Error()
	}
	return "the dial failed"
}
