package iam

import (
	"net/http"

	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
)

type providerXML struct {
	Arn        string
	ValidUntil string
	CreateDate string
}

type listProvidersResult struct {
	SAMLProviderList member[providerXML]
}

func listProviders(c call) (any, *query.Error) {
	var out listProvidersResult
	for _, p := range c.account.Providers() {
		out.SAMLProviderList.Member = append(out.SAMLProviderList.Member, providerXML{p.ARN, stamp(p.ValidUntil), stamp(p.Created)})
	}
	return out, nil
}

type getProviderResult struct {
	SAMLProviderUUID        string
	SAMLMetadataDocument    string
	CreateDate              string
	ValidUntil              string
	AssertionEncryptionMode string
}

func getProvider(c call) (any, *query.Error) {
	arn := c.Form.Get("SAMLProviderArn")
	parsed, ok := world.ParseARN(arn)
	if !ok || parsed.Kind != "saml-provider" {
		return nil, query.Errorf(http.StatusBadRequest, "InvalidInput", "Invalid ARN:%s", arn)
	}
	p, ok := c.cloud.ProviderByARN(arn)
	if !ok || p.Account != c.account.ID() {
		return nil, noSuch("Manifest not found for arn %s", arn)
	}
	mode := "Allowed"
	if p.EncryptionRequired {
		mode = "Required"
	}
	return getProviderResult{p.UUID, p.Metadata, stamp(p.Created), stamp(p.ValidUntil), mode}, nil
}

type createProviderResult struct {
	SAMLProviderArn string
}

func createProvider(c call) (any, *query.Error) {
	name, document := c.Form.Get("Name"), c.Form.Get("SAMLMetadataDocument")
	if _, taken := c.account.Provider(name); taken {
		return nil, query.Errorf(http.StatusConflict, "EntityAlreadyExists", "SAMLProvider %s already exists.", name)
	}
	arn, err := c.account.PutProvider(name, []byte(document))
	if err != nil {
		return nil, query.Errorf(http.StatusBadRequest, "InvalidInput", "Could not parse metadata: %s", err)
	}
	if c.Form.Get("AssertionEncryptionMode") == "Required" {
		c.account.RequireEncryption(name)
	}
	return createProviderResult{arn}, nil
}

// summaryMap is the one map in IAM's answers.
type summaryMap struct {
	Entry []summaryEntry `xml:"entry"`
}

type summaryEntry struct {
	Key   string `xml:"key"`
	Value int    `xml:"value"`
}

type summaryResult struct{ SummaryMap summaryMap }

func accountSummary(c call) (any, *query.Error) {
	return summaryResult{summaryMap{[]summaryEntry{
		{"AssumeRolePolicySizeQuota", c.account.TrustQuota()},
		{"GlobalEndpointTokenVersion", c.account.GlobalTokenVersion()},
		{"Providers", len(c.account.Providers())},
		{"Roles", len(c.account.Roles())},
		{"RolesQuota", 5000},
	}}}, nil
}
