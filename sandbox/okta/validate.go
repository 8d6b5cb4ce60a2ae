package okta

import (
	"net/url"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// check refuses a PUT that Okta would refuse. next is what the app would
// become.
func check(old, sent, next object) *apiError {
	for _, path := range []string{"settings", "settings.app", "settings.signOn", "credentials", "credentials.signing", "visibility", "accessibility"} {
		v, present := jsontree.Get(sent, strings.Split(path, ".")...)
		if _, isObject := v.(object); present && !isObject && v != nil {
			return malformed()
		}
	}
	if jsontree.Text(sent, "label") == "" {
		return invalid("label", "label: The field cannot be left blank")
	}
	switch mode := jsontree.Text(sent, "signOnMode"); {
	case mode == "":
		return invalid("signOnMode", "signOnMode: The field cannot be left blank")
	case mode != jsontree.Text(old, "signOnMode"):
		return invalid("signOnMode", "signOnMode: The sign-on mode of an app cannot be changed here")
	}
	switch kindOf(old) {
	case customSAML:
		return checkCustom(next)
	case catalogueApp:
		return checkCatalogue(old, sent, next)
	}
	return nil
}

// checkCustom holds the rules for an app made in the org.
func checkCustom(next object) *apiError {
	signOn := jsontree.Sub(next, "settings", "signOn")
	for _, k := range []string{"ssoAcsUrl", "recipient", "destination"} {
		if !validURL(jsontree.Text(signOn, k)) {
			return invalid("settings.signOn."+k, k+": The field must be a valid URL")
		}
	}
	if jsontree.Text(signOn, "audience") == "" {
		return invalid("settings.signOn.audience", "audience: The field cannot be left blank")
	}
	for _, k := range []string{"responseSigned", "assertionSigned", "honorForceAuthn", "allowMultipleAcsEndpoints", "requestCompressed"} {
		if _, ok := signOn[k].(bool); signOn[k] != nil && !ok {
			return malformed()
		}
	}
	if signOn["responseSigned"] != true && signOn["assertionSigned"] != true {
		return invalid("settings.signOn", "responseSigned, assertionSigned: At least one of them must be true")
	}
	if err := checkEndpoints(signOn); err != nil {
		return err
	}
	return checkStatements(signOn)
}

// checkCatalogue holds the rules for an app of the catalogue.
func checkCatalogue(old, sent, next object) *apiError {
	if _, foreign := foreignKey(old, sent); foreign {
		return internal()
	}
	for _, path := range []string{"settings.app.overrideAcsURL", "settings.signOn.ssoAcsUrlOverride", "settings.signOn.recipientOverride", "settings.signOn.destinationOverride"} {
		if s := jsontree.Text(next, strings.Split(path, ".")...); s != "" && !validURL(s) {
			return invalid(path, path+": The field must be a valid URL")
		}
	}
	return checkStatements(jsontree.Sub(next, "settings", "signOn"))
}

// checkEndpoints: at most 100 ACS endpoints (management OpenAPI).
func checkEndpoints(signOn object) *apiError {
	list, isList := signOn["acsEndpoints"].([]any)
	if !isList && signOn["acsEndpoints"] != nil {
		return malformed()
	}
	if len(list) > 100 {
		return invalid("settings.signOn.acsEndpoints", "acsEndpoints: There are more than 100")
	}
	for _, e := range list {
		in, _ := e.(object)
		if !validURL(jsontree.Text(in, "url")) {
			return invalid("settings.signOn.acsEndpoints", "acsEndpoints: url must be a valid URL")
		}
	}
	return nil
}

// checkStatements: known type and namespace, each name once (management
// OpenAPI).
func checkStatements(signOn object) *apiError {
	list, isList := signOn["attributeStatements"].([]any)
	if !isList && signOn["attributeStatements"] != nil {
		return malformed()
	}
	bad := func(why string) *apiError {
		return invalid("settings.signOn.attributeStatements", "attributeStatements: "+why)
	}
	seen := map[string]bool{}
	for _, e := range list {
		s, _ := e.(object)
		name, kind := jsontree.Text(s, "name"), jsontree.Text(s, "type")
		switch {
		case name == "" || seen[name]:
			return bad("Every statement needs a name of its own")
		case kind != "EXPRESSION" && kind != "GROUP":
			return bad("The type must be EXPRESSION or GROUP")
		}
		seen[name] = true
		switch strings.TrimPrefix(jsontree.Text(s, "namespace"), "urn:oasis:names:tc:SAML:2.0:attrname-format:") {
		case "basic", "uri", "unspecified":
		default:
			return bad("The namespace is not a name format of SAML 2.0")
		}
	}
	return nil
}

// validURL: absolute, http or https, at most 1024 characters.
func validURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 1024 && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
