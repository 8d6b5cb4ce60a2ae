package probe

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/samlfailover/samlfailover/health"
)

// judgement is what an answer means.
type judgement struct {
	outcome health.Outcome
	code    string
	reason  string
	proves  string
}

// The codes of answers; those of broken exchanges are outbound's.
const (
	codeServing      = "serving"
	codeServerError  = "http-5xx"
	codeWrongContent = "wrong-content"
	codeRedirected   = "redirected-away"
	codeBlocked      = "blocked-403"
	codeThrottled    = "throttled"
	codeSTS          = "sts-" // + the error code of STS in lower case
)

func serving(reason, proves string) judgement {
	return judgement{health.OK, codeServing, reason, proves}
}

func failed(code, reason string) judgement { return judgement{health.Failed, code, reason, ""} }

func blocked(code, reason string) judgement { return judgement{health.Blocked, code, reason, ""} }

// judgeStatus settles what the status alone settles, the same for every kind.
// 403 and 451 without AWS's own words, and 429, come from somebody on the way
// or from our own pace (spec 7.1).
func judgeStatus(a answer) (judgement, bool) {
	switch {
	case a.status >= 500:
		return failed(codeServerError, fmt.Sprintf("%s answers with server error %d", a.host, a.status)), true
	case a.status == 429:
		return blocked(codeThrottled, a.host+" limits our rate (429), which says nothing about logins"), true
	case a.status == 403 || a.status == 451:
		return blocked(codeBlocked, fmt.Sprintf("a block page answers in place of %s (%d)", a.host, a.status)), true
	}
	return judgement{}, false
}

// judgeRedirect refuses an answer that sends us elsewhere: it was not followed,
// since another Region's host answering well proves nothing about this one.
func judgeRedirect(a answer) (judgement, bool) {
	if a.status < 300 || a.status > 399 {
		return judgement{}, false
	}
	to := "an unnamed place"
	if u, err := url.Parse(a.location); err == nil && u.Host != "" {
		to = u.Host
	} else if err == nil && a.location != "" {
		to = "another page of its own"
	}
	return failed(codeRedirected, fmt.Sprintf("%s redirects to %.100s (%d), which was not followed", a.host, to, a.status)), true
}

const samlMetadata = "urn:oasis:names:tc:SAML:2.0:metadata"

// judgeMetadata wants the SP metadata of the partition: status 200, root
// EntityDescriptor, the right entityID where one is documented (IAM User Guide,
// "Configure your SAML 2.0 IdP with relying party trust").
func judgeMetadata(a answer, entity string) judgement {
	if j, ok := judgeStatus(a); ok {
		return j
	}
	if j, ok := judgeRedirect(a); ok {
		return j
	}
	if a.status != 200 {
		return failed(codeWrongContent, fmt.Sprintf("%s answers %d where its SAML metadata belongs", a.host, a.status))
	}
	got, err := metadataEntity(a.body)
	switch {
	case err != nil:
		return failed(codeWrongContent, fmt.Sprintf("%s answers 200, but %s", a.host, err))
	case entity != "" && got != entity:
		return failed(codeWrongContent, fmt.Sprintf("%s answers metadata of %q, not of %q", a.host, clip(got), entity))
	}
	return serving(a.host+" serves its SAML metadata", "the sign-in host resolves, has a valid certificate and serves; not that a login works")
}

// metadataEntity reads the whole document, so that one cut short is noticed,
// and returns the root's entityID.
func metadataEntity(doc []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	entity, root, depth := "", false, 0
	for {
		tok, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && root:
			return entity, nil
		case err != nil && !root:
			return "", errors.New("not with an XML document")
		case err != nil:
			return "", errors.New("its XML is broken or cut short")
		}
		switch tok := tok.(type) {
		case xml.Directive:
			if bytes.HasPrefix(bytes.ToLower(tok), []byte("doctype html")) {
				return "", errors.New("with an HTML page in place of SAML metadata")
			}
			return "", errors.New("its XML has a document type declaration")
		case xml.EndElement:
			depth--
		case xml.StartElement:
			if depth++; depth > 64 {
				return "", errors.New("its XML is nested too deeply")
			}
			if root {
				continue
			}
			root = true
			if tok.Name.Local != "EntityDescriptor" || tok.Name.Space != samlMetadata {
				return "", fmt.Errorf("with <%s> in place of SAML metadata", clip(tok.Name.Local))
			}
			for _, attr := range tok.Attr {
				if attr.Name.Local == "entityID" && attr.Name.Space == "" {
					entity = attr.Value
				}
			}
		}
	}
}

// judgeSTS reads what STS says to a junk AssumeRoleWithSAML (STS API Reference,
// AssumeRoleWithSAML, Errors; IAM User Guide, "Troubleshoot SAML federation").
func judgeSTS(a answer) judgement {
	code := ""
	if a.status >= 400 {
		code = stsErrorCode(a.body)
	}
	switch {
	case a.status >= 500:
		j, _ := judgeStatus(a)
		return j
	case strings.HasPrefix(code, "Throttl") || code == "RequestLimitExceeded":
		return blocked(codeThrottled, a.host+" limits our rate ("+code+"), which says nothing about logins")
	case code == "RegionDisabledException":
		return blocked(codeSTS+"regiondisabledexception", "STS in this Region is switched off for the account: no outage, but no use either")
	case code == "InvalidIdentityToken":
		return serving(a.host+" refuses our junk assertion, as it should", "the Region's STS parses SAML assertions; not that a login works")
	case code == "InternalFailure" || code == "InternalError" || code == "ServiceUnavailable":
		return failed(codeSTS+strings.ToLower(code), fmt.Sprintf("%s answers %s (%d)", a.host, code, a.status))
	case code != "":
		return judgement{health.OK, codeSTS + strings.ToLower(code), fmt.Sprintf("%s answers %s in STS's own words", a.host, code),
			"the Region's STS answers; how it treats SAML assertions was not seen"}
	}
	if j, ok := judgeStatus(a); ok {
		return j
	}
	if j, ok := judgeRedirect(a); ok {
		return j
	}
	return failed(codeWrongContent, fmt.Sprintf("%s answers %d with something that is not an STS error", a.host, a.status))
}

// stsErrorCode returns Error/Code of an ErrorResponse, "" for anything else.
func stsErrorCode(body []byte) string {
	if bytes.Contains(body, []byte("<!")) { // no DTD, no comments: STS sends neither
		return ""
	}
	var e struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Code    string   `xml:"Error>Code"`
	}
	if xml.Unmarshal(body, &e) != nil || len(e.Code) > 100 {
		return ""
	}
	code := strings.TrimSpace(e.Code)
	for _, c := range []byte(code) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.') {
			return ""
		}
	}
	return code
}

// judgeConsole takes every answer of the console host that is no server error
// as serving; without a session it redirects to a sign-in page.
func judgeConsole(a answer) judgement {
	if j, ok := judgeStatus(a); ok {
		return j
	}
	return serving(fmt.Sprintf("%s answers (%d)", a.host, a.status), "the console host answers; not that its pages work")
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}
