package sts

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/sigv4"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
	version   = "2011-06-15"
)

// Handler serves one STS host.
type Handler struct {
	Cloud     *world.Cloud
	Partition signin.Partition
	Region    signin.Region // also aws:RequestedRegion and the signing scope
	Global    bool          // sts.amazonaws.com
}

// ServeHTTP answers one call. A GET that names no action is sent to the product
// page, as AWS does for requests it cannot route.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, bad := query.Read(r, version)
	if bad == nil && q.Action == "" {
		w.Header().Set("x-amzn-RequestId", q.ID)
		http.Redirect(w, r, "https://aws.amazon.com/iam", http.StatusFound)
		return
	}
	var result any
	if bad == nil {
		result, bad = h.act(q, time.Now())
	}
	if bad != nil {
		query.WriteError(w, namespace, q.ID, bad)
		return
	}
	query.WriteResult(w, namespace, q, result)
}

func (h *Handler) act(q query.Request, now time.Time) (any, *query.Error) {
	switch q.Action {
	case "AssumeRoleWithSAML":
		return h.assumeWithSAML(q, now)
	case "GetCallerIdentity":
		who, bad := h.caller(q, now)
		if bad != nil {
			return nil, bad
		}
		return callerIdentity{who.ARN, who.UserID, who.Account}, nil
	case "AssumeRole":
		who, bad := h.caller(q, now)
		if bad != nil {
			return nil, bad
		}
		return h.assumeRole(q, who)
	}
	return nil, query.Errorf(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", q.Action, version)
}

func (h *Handler) caller(q query.Request, now time.Time) (world.Identity, *query.Error) {
	scope := sigv4.Scope{Partition: h.Partition, Region: h.Region.String(), Service: "sts"}
	who, bad := sigv4.Verify(q, scope, h.Cloud, now)
	if bad != nil {
		return who, bad
	}
	if acc, ok := h.Cloud.Account(h.Partition, who.Account); ok && !acc.RegionEnabled(h.Region) {
		return who, regionDisabled(acc.ID())
	}
	return who, nil
}

func regionDisabled(account string) *query.Error {
	return query.Errorf(http.StatusForbidden, "RegionDisabledException", "STS is not activated in this region for account:%s. Your account administrator can activate STS in this region using the IAM Console.", account)
}

type callerIdentity struct {
	Arn     string
	UserID  string `xml:"UserId"`
	Account string
}

type credentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

type assumedRoleUser struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	Arn           string
}

func outline(c world.Credentials, who world.Identity) (credentials, assumedRoleUser) {
	return credentials{c.AccessKeyID, c.SecretKey, c.Token, c.Expires.Format(time.RFC3339)}, assumedRoleUser{who.UserID, who.ARN}
}

// sessionAllow is what a session may call. Session policies are not evaluated
// here: a session that was made with one may call nothing but
// GetCallerIdentity, which is the safe side.
func sessionAllow(q query.Request, role world.Role) []string {
	for k := range q.Form {
		if k == "Policy" || strings.HasPrefix(k, "PolicyArns.") {
			return nil
		}
	}
	return role.Allow
}

// duration reads DurationSeconds; 0 when absent.
func duration(q query.Request) (time.Duration, *query.Error) {
	text := q.Form.Get("DurationSeconds")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 900 || n > 43200 {
		return 0, invalid("durationSeconds", "Member must have value between 900 and 43200")
	}
	return time.Duration(n) * time.Second, nil
}

// text reads a required parameter whose length has bounds.
func text(q query.Request, name string, least, most int) (string, *query.Error) {
	v := q.Form.Get(name)
	member := strings.ToLower(name[:1]) + name[1:]
	switch {
	case v == "":
		return "", invalid(member, "Member must not be null")
	case len(v) < least:
		return "", invalid(member, "Member must have length greater than or equal to "+strconv.Itoa(least))
	case len(v) > most:
		return "", invalid(member, "Member must have length less than or equal to "+strconv.Itoa(most))
	}
	return v, nil
}

func invalid(member, constraint string) *query.Error {
	return query.Errorf(http.StatusBadRequest, "ValidationError", "1 validation error detected: Value at '%s' failed to satisfy constraint: %s", member, constraint)
}
