package organizations

import (
	"encoding/base64"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/sigv4"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/signin"
)

// pageSize is the most that a listing gives at once, and what it gives when it
// is not asked for less.
const pageSize = 20

// Handler serves the one Organizations host of a partition.
type Handler struct {
	Cloud     *world.Cloud
	Partition signin.Partition
	Region    signin.Region // the signing scope
}

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, bad := read(r)
	var out any
	if bad == nil {
		out, bad = h.act(q, time.Now())
	}
	if bad != nil {
		refuse(w, q.ID, bad)
		return
	}
	answer(w, q.ID, http.StatusOK, out)
}

// call is one authorised call.
type call struct {
	query.Request
	org *world.Organization
}

// operation returns an action by name. DescribeOrganization alone may be called
// from every account of the organization.
func operation(action string) (run func(call) (any, *query.Error), everyone, ok bool) {
	switch action {
	case "DescribeOrganization":
		return describe, true, true
	case "ListAccounts":
		return listAccounts, false, true
	case "ListAccountsForParent":
		return listAccountsForParent, false, true
	case "ListRoots":
		return listRoots, false, true
	case "ListOrganizationalUnitsForParent":
		return listUnits, false, true
	case "ListTagsForResource":
		return listTags, false, true
	}
	return nil, false, false
}

// act authenticates, authorises and runs a call, in this order.
func (h *Handler) act(q query.Request, now time.Time) (any, *query.Error) {
	run, everyone, ok := operation(q.Action)
	if !ok {
		return nil, query.Errorf(http.StatusBadRequest, "UnknownOperationException", "")
	}
	who, bad := sigv4.Verify(q, sigv4.Scope{Partition: h.Partition, Region: h.Region.String(), Service: "organizations"}, h.Cloud, now)
	if bad != nil {
		return nil, bad
	}
	if action := "organizations:" + q.Action; !who.May(action) {
		return nil, query.Errorf(http.StatusBadRequest, "AccessDeniedException",
			"User: %s is not authorized to perform: %s on resource: * because no identity-based policy allows the %s action", who.ARN, action, action)
	}
	org, ok := h.Cloud.OrganizationOf(h.Partition, who.Account)
	if !ok {
		return nil, query.Errorf(http.StatusBadRequest, "AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
	}
	if !everyone && !org.MayRead(who.Account) {
		return nil, query.Errorf(http.StatusBadRequest, "AccessDeniedException", "You don't have permissions to access this resource.")
	}
	return run(call{q, org})
}

type organizationJSON struct {
	Arn, FeatureSet, Id, MasterAccountArn, MasterAccountEmail, MasterAccountId string //nolint:revive,staticcheck // AWS's spelling
}

func describe(c call) (any, *query.Error) {
	if bad := decode(c.Request, &struct{}{}); bad != nil {
		return nil, bad
	}
	m, _ := c.org.Member(c.org.Management())
	return map[string]any{"Organization": organizationJSON{Arn: c.org.ARN("organization", ""), FeatureSet: "ALL", Id: c.org.ID(),
		MasterAccountArn: c.org.ARN("account", m.ID), MasterAccountEmail: m.Email, MasterAccountId: m.ID}}, nil
}

// accountJSON has no Status: AWS retired it in favour of State on 2026-09-09.
type accountJSON struct {
	Arn, Email, Id, JoinedMethod, Name, State string //nolint:revive,staticcheck // AWS's spelling
	JoinedTimestamp                           float64
}

func (c call) account(m world.Member) accountJSON {
	return accountJSON{Arn: c.org.ARN("account", m.ID), Email: m.Email, Id: m.ID, JoinedMethod: "CREATED", Name: m.Name, State: m.State,
		JoinedTimestamp: float64(m.Joined.Unix())}
}

// paging is the input of a listing.
type paging struct {
	MaxResults *int
	NextToken  *string
}

type accountsJSON struct {
	Accounts  []accountJSON
	NextToken string `json:",omitempty"`
}

func listAccounts(c call) (any, *query.Error) {
	var in paging
	if bad := decode(c.Request, &in); bad != nil {
		return nil, bad
	}
	return c.accounts(in, "", func(world.Member) bool { return true })
}

func (c call) accounts(in paging, parent string, fits func(world.Member) bool) (any, *query.Error) {
	all := slices.DeleteFunc(c.org.Members(), func(m world.Member) bool { return !fits(m) })
	some, next, bad := page(c, in, parent, all)
	out := accountsJSON{Accounts: []accountJSON{}, NextToken: next}
	for _, m := range some {
		out.Accounts = append(out.Accounts, c.account(m))
	}
	return out, bad
}

type byParent struct {
	ParentId string //nolint:revive,staticcheck // AWS's spelling
	paging
}

// parents are the shapes of the ids of roots and organizational units.
var parents = regexp.MustCompile(`^(r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})$`)

// parent checks what a listing is asked about.
func (c call) parent(id string) *query.Error {
	switch {
	case !parents.MatchString(id):
		return invalid("INVALID_PATTERN_TARGET_ID", "You provided a value that does not match the required pattern: ParentId.")
	case !c.org.Has(id):
		return query.Errorf(http.StatusBadRequest, "ParentNotFoundException", "You specified a parent that doesn't exist.")
	}
	return nil
}

func listAccountsForParent(c call) (any, *query.Error) {
	var in byParent
	if bad := decode(c.Request, &in); bad != nil {
		return nil, bad
	}
	if bad := c.parent(in.ParentId); bad != nil {
		return nil, bad
	}
	return c.accounts(in.paging, in.ParentId, func(m world.Member) bool { return m.Parent == in.ParentId })
}

type unitJSON struct{ Arn, Id, Name string } //nolint:revive,staticcheck // AWS's spelling

type unitsJSON struct {
	OrganizationalUnits []unitJSON
	NextToken           string `json:",omitempty"`
}

func listUnits(c call) (any, *query.Error) {
	var in byParent
	if bad := decode(c.Request, &in); bad != nil {
		return nil, bad
	}
	if bad := c.parent(in.ParentId); bad != nil {
		return nil, bad
	}
	some, next, bad := page(c, in.paging, in.ParentId, c.org.Units(in.ParentId))
	out := unitsJSON{OrganizationalUnits: []unitJSON{}, NextToken: next}
	for _, u := range some {
		out.OrganizationalUnits = append(out.OrganizationalUnits, unitJSON{c.org.ARN("ou", u.ID), u.ID, u.Name})
	}
	return out, bad
}

func listRoots(c call) (any, *query.Error) {
	var in paging
	if bad := decode(c.Request, &in); bad != nil {
		return nil, bad
	}
	return map[string]any{"Roots": []map[string]any{{"Arn": c.org.ARN("root", c.org.Root()), "Id": c.org.Root(), "Name": "Root",
		"PolicyTypes": []map[string]string{{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}}}}}, nil
}

type tagJSON struct{ Key, Value string }

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// listTags answers for accounts; units and the root have no tags here.
func listTags(c call) (any, *query.Error) {
	var in struct {
		ResourceId string //nolint:revive,staticcheck // AWS's spelling
		NextToken  *string
	}
	if bad := decode(c.Request, &in); bad != nil {
		return nil, bad
	}
	out := []tagJSON{}
	switch m, ok := c.org.Member(in.ResourceId); {
	case ok:
		for _, k := range slices.Sorted(maps.Keys(m.Tags)) {
			out = append(out, tagJSON{k, m.Tags[k]})
		}
	case !accountID.MatchString(in.ResourceId) && !parents.MatchString(in.ResourceId):
		return nil, invalid("INVALID_PATTERN_TARGET_ID", "You provided a value that does not match the required pattern: ResourceId.")
	case !c.org.Has(in.ResourceId):
		return nil, query.Errorf(http.StatusBadRequest, "TargetNotFoundException", "You specified a target that doesn't exist.")
	}
	return map[string]any{"Tags": out}, nil
}

func invalid(reason, message string) *query.Error {
	return query.Errorf(http.StatusBadRequest, "InvalidInputException/"+reason, "%s", message)
}

// page cuts one page out of a listing. A token is good for the listing that it
// came from alone. Where empty pages are wanted, one stands before each page.
func page[T any](c call, in paging, parent string, all []T) (some []T, next string, bad *query.Error) {
	most := pageSize
	if in.MaxResults != nil {
		if most = *in.MaxResults; most < 1 || most > pageSize {
			return nil, "", invalid("INVALID_VALUE", "MaxResults must be between 1 and 20.")
		}
	}
	from, served := 0, false
	if in.NextToken != nil {
		raw, _ := base64.RawURLEncoding.DecodeString(*in.NextToken) // what is no base64 is no token of ours either
		rest, ours := strings.CutPrefix(string(raw), c.Action+" "+parent+" ")
		rest, served = strings.CutPrefix(rest, "+")
		var err error
		if from, err = strconv.Atoi(rest); !ours || err != nil || from < 0 || from > len(all) {
			return nil, "", invalid("INVALID_NEXT_TOKEN", "You provided an invalid value for NextToken.")
		}
	}
	token := func(mark string, at int) string {
		return base64.RawURLEncoding.EncodeToString([]byte(c.Action + " " + parent + " " + mark + strconv.Itoa(at)))
	}
	if c.org.EmptyPages() && !served {
		return nil, token("+", from), nil
	}
	to := min(len(all), from+most)
	if to < len(all) {
		next = token("", to)
	}
	return all[from:to], next, nil
}
