package okta

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

const (
	accountApp  = "amazon_aws"     // AWS Account Federation
	identityApp = "amazon_aws_sso" // IAM Identity Center
	pluginMode  = "BROWSER_PLUGIN"
)

// AccountSettings are what a person fills in for the catalogue's AWS Account
// Federation app. Empty values are null in the app's JSON.
type AccountSettings struct {
	OverrideACS string // the field "ACS URL"
	// Overrides is set as ssoAcsUrlOverride, recipientOverride and
	// destinationOverride, the other way to move the endpoint.
	Overrides   string
	RelayState  string
	Audience    string // audienceOverride
	Environment string // awsEnvironmentType; "" = aws.amazon
}

// AddAccountApp creates an AWS Account Federation app that signs in with SAML,
// and returns its id.
func (o *Org) AddAccountApp(label string, s AccountSettings) (string, error) {
	if label == "" {
		return "", errors.New("add an AWS Account Federation app: it needs a label")
	}
	for _, u := range []string{s.OverrideACS, s.Overrides} {
		if u != "" && !validURL(u) {
			return "", fmt.Errorf("add AWS Account Federation app %q: %q is not a URL", label, u)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a := &app{id: o.newID("0oa"), externalKey: o.newID("exk")}
	a.doc = o.accountApp(a.id, label, s, time.Now())
	o.add(a)
	return a.id, nil
}

// AddDecoys adds two apps that have to do with AWS and that nobody must move:
// an Account Federation app without SAML, and an IAM Identity Center app. It
// returns their ids.
func (o *Org) AddDecoys() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	plugin := &app{id: o.newID("0oa"), externalKey: o.newID("exk")}
	plugin.doc = o.accountApp(plugin.id, "AWS by browser plugin", AccountSettings{}, now)
	plugin.doc["signOnMode"] = pluginMode
	delete(jsontree.Sub(plugin.doc, "settings"), "signOn")
	identity := &app{id: o.newID("0oa"), externalKey: o.newID("exk")}
	identity.doc = o.accountApp(identity.id, "AWS IAM Identity Center", AccountSettings{}, now)
	identity.doc["name"] = identityApp
	set(identity.doc, object{"acsURL": "https://us-east-1.signin.aws.amazon.com/platform/saml/acs/00000000-0000-0000-0000-000000000000",
		"entityID": "https://us-east-1.signin.aws.amazon.com/platform/saml/d-0000000000"}, "settings", "app")
	o.add(plugin)
	o.add(identity)
	return []string{plugin.id, identity.id}
}

// accountApp is the JSON of an Account Federation app: settings.app as recorded
// from a real org, settings.signOn with the six keys of every recorded
// catalogue SAML app.
func (o *Org) accountApp(id, label string, s AccountSettings, now time.Time) object {
	doc := o.customApp(id, label, AppSettings{ACS: defaultACS}, now)
	doc["name"] = accountApp
	doc["universalLogout"] = object{"status": "DISABLED"}
	set(doc, object{accountApp + "_link": true}, "visibility", "appLinks")
	set(doc, []any{object{"name": accountApp + "_link", "href": "https://" + o.o.Host + "/home/" + accountApp + "/" + id + "/272", "type": "text/html"}}, "_links", "appLinks")
	environment := s.Environment
	if environment == "" {
		environment = "aws.amazon"
	}
	set(doc, object{
		"appFilter": "okta", "groupFilter": `aws_(?{{accountid}}\d+)_(?{{role}}[a-zA-Z0-9+=,.@\-_]+)`,
		"secretKey": nil, "webSSOAllowedClient": nil, "useGroupMapping": false, "joinAllRoles": false,
		"identityProviderArn": nil, "overrideAcsURL": orNull(s.OverrideACS), "sessionDuration": json.Number("3600"),
		"roleValuePattern": "arn:aws:iam::${accountid}:saml-provider/OKTA,arn:aws:iam::${accountid}:role/${role}",
		"accountID":        nil, "awsEnvironmentType": environment, "accessKey": nil,
		"loginURL": "https://console.aws.amazon.com/ec2/home", "secretKeyEnc": nil,
	}, "settings", "app")
	set(doc, "NONE", "settings", "emOptInStatus")
	set(doc, object{
		"defaultRelayState": orNull(s.RelayState), "ssoAcsUrlOverride": orNull(s.Overrides), "audienceOverride": orNull(s.Audience),
		"recipientOverride": orNull(s.Overrides), "destinationOverride": orNull(s.Overrides), "attributeStatements": []any{},
	}, "settings", "signOn")
	return doc
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
