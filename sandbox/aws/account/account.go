package account

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/sigv4"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/signin"
)

// Limits of ListRegions (API Reference): MaxResults is 1 to 50. The sandbox gives
// fewer when it is not asked, so that nobody relies on one page.
const (
	maxPage     = 50
	defaultPage = 20
	maxBody     = 1 << 16
	maxToken    = 1000
)

// Handler serves the one Account Management host of a partition.
type Handler struct {
	Cloud     *world.Cloud
	Partition signin.Partition
	Region    signin.Region // the signing scope
}

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := query.Request{ID: query.NewID(), HTTP: r}
	out, bad := h.act(&q, time.Now())
	if bad != nil {
		refuse(w, q.ID, bad)
		return
	}
	answer(w, q.ID, http.StatusOK, out)
}

// act reads, authenticates, authorises and runs a call, in this order.
func (h *Handler) act(q *query.Request, now time.Time) (any, *query.Error) {
	if bad := read(q); bad != nil {
		return nil, bad
	}
	who, bad := sigv4.Verify(*q, sigv4.Scope{Partition: h.Partition, Region: h.Region.String(), Service: "account"}, h.Cloud, now)
	if bad != nil {
		return nil, bad
	}
	if !who.May("account:ListRegions") {
		return nil, denied("User: " + who.ARN + " is not authorized to perform: account:ListRegions")
	}
	var in listRegions
	if bad := decode(q.Body, &in); bad != nil {
		return nil, bad
	}
	acc, ok := h.Cloud.Account(h.Partition, who.Account)
	if !ok || in.AccountID != nil && *in.AccountID != who.Account {
		return nil, denied("Accountid parameter is only supported for the management account or a delegated administrator of an organization with trusted access.")
	}
	return in.run(acc)
}

// read takes up the body; there is one operation, POST /listRegions.
func read(q *query.Request) *query.Error {
	r := q.HTTP
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || r.URL.Path != "/listRegions" || kind != "application/json" {
		return query.Errorf(http.StatusNotFound, "UnknownOperationException", "")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return query.Errorf(http.StatusBadRequest, "SerializationException", "The request body could not be read.")
	case len(body) > maxBody:
		return query.Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "The request is too large.")
	}
	q.Body = body
	return nil
}

// listRegions is the input of ListRegions.
type listRegions struct {
	AccountID  *string  `json:"AccountId"`
	MaxResults *int     `json:"MaxResults"`
	NextToken  *string  `json:"NextToken"`
	Status     []string `json:"RegionOptStatusContains"`
}

type region struct {
	Name   string `json:"RegionName"`
	Status string `json:"RegionOptStatus"`
}

type regions struct {
	Regions   []region `json:"Regions"`
	NextToken string   `json:"NextToken,omitempty"`
}

func (in listRegions) run(acc *world.Account) (any, *query.Error) {
	size, from := defaultPage, ""
	if in.MaxResults != nil {
		if size = *in.MaxResults; size < 1 || size > maxPage {
			return nil, invalid("maxResults must be between 1 and 50")
		}
	}
	if in.NextToken != nil {
		raw, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if err != nil || len(*in.NextToken) > maxToken || len(raw) == 0 {
			return nil, invalid("nextToken is not one that this operation gave")
		}
		from = string(raw)
	}
	for _, s := range in.Status {
		if !slices.Contains([]string{"ENABLED", "ENABLING", "DISABLING", "DISABLED", "ENABLED_BY_DEFAULT"}, s) {
			return nil, invalid("regionOptStatusContains has a value that is no RegionOptStatus")
		}
	}
	out := regions{Regions: []region{}}
	for _, r := range signin.Regions(acc.Partition(), true) {
		one := region{r.String(), status(acc, r)}
		if one.Name < from || len(in.Status) > 0 && !slices.Contains(in.Status, one.Status) {
			continue
		}
		out.Regions = append(out.Regions, one)
	}
	slices.SortFunc(out.Regions, func(a, b region) int { return strings.Compare(a.Name, b.Name) })
	if len(out.Regions) > size {
		out.NextToken = base64.RawURLEncoding.EncodeToString([]byte(out.Regions[size].Name))
		out.Regions = out.Regions[:size]
	}
	return out, nil
}

func status(acc *world.Account, r signin.Region) string {
	switch e, _ := r.Endpoint(); {
	case !e.OptIn:
		return "ENABLED_BY_DEFAULT"
	case acc.RegionEnabled(r):
		return "ENABLED"
	}
	return "DISABLED"
}

// decode reads the input; a key that the operation does not have is refused.
func decode(body []byte, into any) *query.Error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
	}
	return query.Errorf(http.StatusBadRequest, "SerializationException", "The request's JSON cannot be read: %v", err)
}

func denied(message string) *query.Error {
	return query.Errorf(http.StatusForbidden, "AccessDeniedException", "%s", message)
}

func invalid(message string) *query.Error {
	return query.Errorf(http.StatusBadRequest, "ValidationException", "%s", message)
}

// refuse answers with an error: its name is in a header (Smithy 2.0, "AWS REST
// JSON 1.1 protocol"). Those of signatures have other names here than in the
// Query protocol.
func refuse(w http.ResponseWriter, id string, e *query.Error) {
	code := e.Code
	if name, ok := map[string]string{"MissingAuthenticationToken": "MissingAuthenticationTokenException", "InvalidClientTokenId": "UnrecognizedClientException",
		"SignatureDoesNotMatch": "InvalidSignatureException", "IncompleteSignature": "IncompleteSignatureException", "ExpiredToken": "ExpiredTokenException"}[code]; ok {
		code = name
	}
	w.Header().Set("x-amzn-ErrorType", code)
	answer(w, id, e.Status, map[string]string{"message": e.Message})
}

func answer(w http.ResponseWriter, id string, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the sandbox could not write its answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("x-amzn-RequestId", id)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Throttled refuses a call as one too many.
func Throttled(w http.ResponseWriter, _ *http.Request) {
	refuse(w, query.NewID(), query.Errorf(http.StatusTooManyRequests, "TooManyRequestsException", "Too Many Requests"))
}
