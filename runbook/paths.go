package runbook

import (
	"slices"

	"github.com/samlfailover/samlfailover/federation"
)

// Path is the way through one vendor's own pages. The pages are as the vendors
// show them today and nobody promises them; docs/idp says the same.
type Path struct {
	Title  string   `json:"title"`
	Clicks []string `json:"clicks"`
}

// way is what the pages of one kind of app call their fields, and how to get
// there.
type way struct {
	title  string
	acs    []string // set to the endpoint, each
	relay  string
	tile   string
	clicks []string
}

// oktaTile is the same for every app of Okta.
const oktaTile = "Tile: General > App Settings > Edit > Application visibility, \"Do not display application icon to users\": untick it to show the tile, tick it to hide it > Save."

// ways lists the kinds of app by Codec.Describe's word, and below the vendor's
// name what is done about a kind that is not known.
func ways() map[string]way {
	return map[string]way{
		"okta:custom-saml": {
			title: "Okta, custom SAML 2.0 app",
			acs:   []string{"Single sign-on URL"}, relay: "Default RelayState", tile: "Application visibility",
			clicks: []string{
				"Okta Admin Console > Applications > Applications > the app > General > SAML Settings > Edit > Next.",
				"Set Single sign-on URL. Leave \"Use this for Recipient URL and Destination URL\" ticked; if it is not ticked, set Recipient URL and Destination URL to the same value.",
				"Set Default RelayState where the paper names a value. Change nothing else; leave Audience URI and Other Requestable SSO URLs.",
				"Next > Finish.", oktaTile,
			},
		},
		"okta:amazon_aws": {
			title: "Okta, AWS Account Federation",
			acs:   []string{"ACS URL"}, relay: "Default Relay State", tile: "Application visibility",
			clicks: []string{
				"Okta Admin Console > Applications > Applications > the app > Sign On > Settings > Edit.",
				"Set ACS URL under Advanced Sign-on Settings, and Default Relay State under SAML 2.0 where the paper names a value. Change nothing else.",
				"Save. If the app keeps its endpoint in ssoAcsUrlOverride, recipientOverride and destinationOverride, the page does not show it: set these three through Okta's API.", oktaTile,
			},
		},
		"onelogin": {
			title: "OneLogin",
			acs:   []string{"ACS (Consumer) URL", "Recipient"}, relay: "RelayState", tile: "Visible in portal",
			clicks: []string{
				"OneLogin Administration > Applications > Applications > the app > Configuration.",
				"Set ACS (Consumer) URL, and Recipient to the same value; an empty Recipient stays empty. Set RelayState where the paper names a value.",
				"Look at ACS (Consumer) URL Validator: the new URL must match it. Change nothing else.",
				"Save.", "Tile: Info > Visible in portal > Save.",
			},
		},
		"pingone": {
			title: "PingOne",
			acs:   []string{"ACS URLs, the first of the list"}, relay: "Target Application URL", tile: "Application Portal display",
			clicks: []string{
				"PingOne console > the environment > Applications > Applications > the app > Configuration > the pencil (Edit).",
				"ACS URLs: the new URL must be the first of the list, since PingOne signs people in at the first. Add it if it is not there, and keep the others behind it.",
				"Set Target Application URL where the paper names a value. Change nothing else; leave Entity ID and the signing key.",
				"Save.", "Tile: Access > Application Portal display > Save.",
			},
		},
		"okta": {
			title: "Okta",
			acs:   []string{"Single sign-on URL, or ACS URL"}, relay: "Default RelayState", tile: "Application visibility",
			clicks: []string{
				"Okta Admin Console > Applications > Applications > the app. A custom SAML app has its endpoint under General > SAML Settings, AWS Account Federation under Sign On > Settings.", oktaTile,
			},
		},
		"generic": {
			title: "An identity provider behind a webhook",
			acs:   []string{"sign-in endpoint (ACS)"}, relay: "RelayState", tile: "tile in the portal",
			clicks: []string{"Its pages are not known here. Ask whoever runs the webhook of this tenant."},
		},
	}
}

// way returns how an app of this kind is changed by hand.
func (b builder) way(ref federation.AppRef, kind string) way {
	all := ways()
	if w, ok := all[kind]; ok {
		return w
	}
	if w, ok := all[b.in.Kind(ref.Tenant)]; ok {
		return w
	}
	return all["generic"]
}

// paths are those that some step needs, in the order of the steps.
func (b builder) paths(moves []Move) []Path {
	var out []Path
	for _, m := range moves {
		for _, s := range m.Steps {
			if slices.ContainsFunc(out, func(p Path) bool { return p.Title == s.Path }) {
				continue
			}
			for _, w := range ways() {
				if w.title == s.Path {
					out = append(out, Path{w.title, w.clicks})
				}
			}
		}
	}
	return out
}
