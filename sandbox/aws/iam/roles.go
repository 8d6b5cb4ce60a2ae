package iam

import (
	"encoding/base64"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
)

type tag struct{ Key, Value string }

// member wraps a list in the Query protocol's <member> elements.
type member[T any] struct {
	Member []T `xml:"member"`
}

type roleXML struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	Arn                      string
	CreateDate               string
	AssumeRolePolicyDocument string
	Description              string `xml:",omitempty"`
	MaxSessionDuration       int
	Tags                     *member[tag] `xml:",omitempty"`
}

// outline is a role as ListRoles shows it: without tags.
func outline(r world.Role) roleXML {
	return roleXML{Path: r.Path, RoleName: r.Name, RoleID: r.ID, Arn: r.ARN(), CreateDate: stamp(r.Created),
		AssumeRolePolicyDocument: encode(r.Trust), Description: r.Description, MaxSessionDuration: r.MaxSession}
}

// detail is a role as GetRole shows it.
func detail(r world.Role) roleXML {
	x := outline(r)
	if len(r.Tags) > 0 {
		x.Tags = &member[tag]{tags(r)}
	}
	return x
}

func tags(r world.Role) []tag {
	var out []tag
	for _, k := range slices.Sorted(maps.Keys(r.Tags)) {
		out = append(out, tag{k, r.Tags[k]})
	}
	return out
}

type listRolesResult struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
	Roles       member[roleXML]
}

func listRoles(c call) (any, *query.Error) {
	most, bad := maxItems(c)
	if bad != nil {
		return nil, bad
	}
	after, err := base64.StdEncoding.DecodeString(c.Form.Get("Marker"))
	if err != nil {
		return nil, invalid("Invalid Marker.")
	}
	prefix := path(c.Form.Get("PathPrefix"))
	var out listRolesResult
	for _, r := range c.account.Roles() {
		if !strings.HasPrefix(r.Path, prefix) || r.Path+r.Name <= string(after) {
			continue
		}
		if len(out.Roles.Member) == most {
			last := out.Roles.Member[most-1]
			out.IsTruncated, out.Marker = true, base64.StdEncoding.EncodeToString([]byte(last.Path+last.RoleName))
			break
		}
		out.Roles.Member = append(out.Roles.Member, outline(r))
	}
	return out, nil
}

// maxItems reads MaxItems (1 to 1000, default 100) and applies the account's
// cap.
func maxItems(c call) (int, *query.Error) {
	most := 100
	if text := c.Form.Get("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return 0, invalid("1 validation error detected: Value '%s' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000", text)
		}
		most = n
	}
	if limit := c.account.ListCap(); limit > 0 {
		most = min(most, limit)
	}
	return most, nil
}

type roleResult struct{ Role roleXML }

func getRole(c call) (any, *query.Error) {
	r, bad := c.role()
	if bad != nil {
		return nil, bad
	}
	return roleResult{detail(r)}, nil
}

var roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

func createRole(c call) (any, *query.Error) {
	r := world.Role{Name: c.Form.Get("RoleName"), Path: path(c.Form.Get("Path")), Description: c.Form.Get("Description"), Tags: query.Tags(c.Request, "Tags")}
	if !roleName.MatchString(r.Name) {
		return nil, invalid("The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	if !validPath(r.Path) {
		return nil, invalid("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	if r.Protected() {
		return nil, query.Errorf(http.StatusForbidden, "AccessDenied", "The path %s is reserved for roles that AWS makes", r.Path)
	}
	if text := c.Form.Get("MaxSessionDuration"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 3600 || n > 43200 {
			return nil, invalid("1 validation error detected: Value '%s' at 'maxSessionDuration' failed to satisfy constraint: Member must have value between 3600 and 43200", text)
		}
		r.MaxSession = n
	}
	var bad *query.Error
	if r.Trust, bad = c.checkTrust(c.Form.Get("AssumeRolePolicyDocument"), "assumeRolePolicyDocument"); bad != nil {
		return nil, bad
	}
	created, free, err := c.account.CreateRole(r)
	switch {
	case err != nil:
		return nil, invalid("%s", err)
	case !free:
		return nil, query.Errorf(http.StatusConflict, "EntityAlreadyExists", "Role with name %s already exists.", r.Name)
	}
	return roleResult{detail(created)}, nil
}

func deleteRole(c call) (any, *query.Error) {
	r, bad := c.editableRole()
	if bad != nil {
		return nil, bad
	}
	c.account.DeleteRole(r.Name)
	return nil, nil
}

func tagRole(c call) (any, *query.Error) {
	r, bad := c.editableRole()
	if bad != nil {
		return nil, bad
	}
	added := query.Tags(c.Request, "Tags")
	for k := range added {
		if k == "" || len(k) > 128 || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return nil, query.Errorf(http.StatusBadRequest, "InvalidInput", "The tag key %q is not allowed.", k)
		}
	}
	tooMany := false
	c.account.ChangeRole(r.Name, func(r *world.Role) {
		next := maps.Clone(r.Tags)
		if next == nil {
			next = map[string]string{}
		}
		maps.Copy(next, added)
		if tooMany = len(next) > 50; !tooMany {
			r.Tags = next
		}
	})
	if tooMany {
		return nil, query.Errorf(http.StatusConflict, "LimitExceeded", "The number of tags has exceeded the limit of 50.")
	}
	return nil, nil
}

type listRoleTagsResult struct {
	IsTruncated bool
	Tags        member[tag]
}

func listRoleTags(c call) (any, *query.Error) {
	r, bad := c.role()
	if bad != nil {
		return nil, bad
	}
	return listRoleTagsResult{Tags: member[tag]{tags(r)}}, nil
}

func updateTrust(c call) (any, *query.Error) {
	r, bad := c.editableRole()
	if bad != nil {
		return nil, bad
	}
	document, bad := c.checkTrust(c.Form.Get("PolicyDocument"), "policyDocument")
	if bad != nil {
		return nil, bad
	}
	if !c.account.WriteTrust(r.Name, document) {
		return nil, noSuch("The role with name %s cannot be found.", r.Name)
	}
	c.account.CountWrite(r.Name)
	return nil, nil
}
