package iam

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/sigv4"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/sandbox/mishap"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	namespace = "https://iam.amazonaws.com/doc/2010-05-08/"
	version   = "2010-05-08"
)

// Handler serves the one IAM host of a partition.
type Handler struct {
	Cloud     *world.Cloud
	Partition signin.Partition
	Region    signin.Region // the signing scope
}

// call is one authorised call.
type call struct {
	query.Request
	cloud   *world.Cloud
	account *world.Account
	who     world.Identity
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
		result, bad = h.act(r.Context(), q, time.Now())
	}
	if bad != nil {
		query.WriteError(w, namespace, q.ID, bad)
		return
	}
	query.WriteResult(w, namespace, q, result)
}

// operation is one action: the resource it is authorised on, and what it does.
type operation struct {
	resource func(call) string
	run      func(call) (any, *query.Error)
}

func find(action string) (operation, bool) {
	switch action {
	case "ListRoles":
		return operation{pathResource, listRoles}, true
	case "GetRole":
		return operation{roleResource, getRole}, true
	case "CreateRole":
		return operation{roleResource, createRole}, true
	case "DeleteRole":
		return operation{roleResource, deleteRole}, true
	case "TagRole":
		return operation{roleResource, tagRole}, true
	case "ListRoleTags":
		return operation{roleResource, listRoleTags}, true
	case "UpdateAssumeRolePolicy":
		return operation{roleResource, updateTrust}, true
	case "ListSAMLProviders":
		return operation{anyResource, listProviders}, true
	case "GetSAMLProvider":
		return operation{providerResource, getProvider}, true
	case "CreateSAMLProvider":
		return operation{providerResource, createProvider}, true
	case "SimulatePrincipalPolicy":
		return operation{sourceResource, simulate}, true
	case "GetAccountSummary":
		return operation{anyResource, accountSummary}, true
	}
	return operation{}, false
}

// act authenticates, throttles, authorises and runs a call, in this order. In
// read-only mode, which is ours, only Get and List actions are carried out.
func (h *Handler) act(ctx context.Context, q query.Request, now time.Time) (any, *query.Error) {
	op, ok := find(q.Action)
	if !ok {
		return nil, query.Errorf(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", q.Action, version)
	}
	who, bad := sigv4.Verify(q, sigv4.Scope{Partition: h.Partition, Region: h.Region.String(), Service: "iam"}, h.Cloud, now)
	if bad != nil {
		return nil, bad
	}
	acc, ok := h.Cloud.Account(h.Partition, who.Account)
	if !ok {
		return nil, query.Errorf(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	turn := acc.TakeToken()
	acc.CountCall(q.Action, !turn)
	if !turn {
		return nil, query.Errorf(http.StatusBadRequest, "Throttling", "Rate exceeded")
	}
	c := call{q, h.Cloud, acc, who}
	if action := "iam:" + q.Action; !who.May(action) {
		return nil, query.Errorf(http.StatusForbidden, "AccessDenied",
			"User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action", who.ARN, action, op.resource(c), action)
	}
	if tags := q.Action == "GetRole" || q.Action == "ListRoleTags"; tags && acc.TagsDenied() {
		return nil, query.Errorf(http.StatusForbidden, "AccessDenied",
			"User: %s is not authorized to perform: iam:%s on resource: %s with an explicit deny in a service control policy", who.ARN, q.Action, op.resource(c))
	}
	if reads := strings.HasPrefix(q.Action, "Get") || strings.HasPrefix(q.Action, "List"); !reads && mishap.IsReadOnly(ctx) {
		return nil, query.Errorf(http.StatusServiceUnavailable, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")
	}
	return op.run(c)
}

func anyResource(call) string { return "*" }

func (c call) arn(rest string) string {
	return "arn:" + string(c.account.Partition()) + ":iam::" + c.account.ID() + ":" + rest
}

func pathResource(c call) string {
	return c.arn("role" + path(c.Form.Get("PathPrefix")))
}

func roleResource(c call) string {
	if r, ok := c.account.Role(c.Form.Get("RoleName")); ok {
		return r.ARN()
	}
	return c.arn("role" + path(c.Form.Get("Path")) + c.Form.Get("RoleName"))
}

func providerResource(c call) string {
	if arn := c.Form.Get("SAMLProviderArn"); arn != "" {
		return arn
	}
	return c.arn("saml-provider/" + c.Form.Get("Name"))
}

// path returns p, or "/" when it is empty.
func path(p string) string {
	if p == "" {
		return "/"
	}
	return p
}

// encode percent-encodes a policy document as RFC 3986 says.
func encode(document string) string { return sigv4.Escape(document) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func noSuch(format string, args ...any) *query.Error {
	return query.Errorf(http.StatusNotFound, "NoSuchEntity", format, args...)
}

func invalid(format string, args ...any) *query.Error {
	return query.Errorf(http.StatusBadRequest, "ValidationError", format, args...)
}

// unmodifiable refuses changes to roles that belong to AWS.
func unmodifiable(name string) *query.Error {
	return query.Errorf(http.StatusBadRequest, "UnmodifiableEntity",
		"Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", name)
}

// role finds the role that a call names.
func (c call) role() (world.Role, *query.Error) {
	name := c.Form.Get("RoleName")
	r, ok := c.account.Role(name)
	if !ok {
		return r, noSuch("The role with name %s cannot be found.", name)
	}
	return r, nil
}

// editableRole is role for calls that change it.
func (c call) editableRole() (world.Role, *query.Error) {
	r, bad := c.role()
	if bad == nil && r.Protected() {
		bad = unmodifiable(r.Name)
	}
	return r, bad
}

func validPath(p string) bool {
	return strings.HasPrefix(p, "/") && strings.HasSuffix(p, "/") && len(p) <= 512 && !strings.ContainsAny(p, " \t\n")
}
