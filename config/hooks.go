package config

import (
	"fmt"
	"slices"

	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

// Hook is a URL, /hooks/NAME, at which another system may ask for something. An
// alert can only ask (spec 13.1): the rules decide. Secret, NextSecret, Token
// and Password are references: Resolve turns them into Secrets.Hooks.
type Hook struct {
	Name       string          `yaml:"name" required:"true" pattern:"name" doc:"The last part of its URL, /hooks/NAME, and its name in records."`
	Kind       string          `yaml:"kind" required:"true" enum:"hmac,pagerduty,alertmanager" doc:"Who asks: anything that can sign a request with a secret (hmac), a webhook subscription of PagerDuty (v3), or a receiver of Prometheus Alertmanager."`
	Federation string          `yaml:"federation" required:"true" doc:"The federation that it is about."`
	Action     string          `yaml:"action" required:"true" enum:"evaluate,propose,move" doc:"What it asks for: a look (evaluate), a proposal for people to decide on (propose), or the move that the rules find due, without waiting for people (move). In calm times no alert moves anything."`
	To         signin.Region   `yaml:"to" doc:"The Region to ask for. Absent: the best one by the rules."`
	MayName    []signin.Region `yaml:"may_name" unique:"true" max:"46" doc:"hmac: Regions that a request may name itself, in to. Absent: a request names none."`
	Secret     Ref             `yaml:"secret" doc:"hmac: reference to the secret, at least 32 bytes, that requests are signed with. pagerduty: reference to the subscription's secret."`
	NextSecret Ref             `yaml:"next_secret" doc:"hmac and pagerduty: reference to a second secret, accepted as well while the secret is being exchanged."`
	Token      Ref             `yaml:"token" doc:"alertmanager: reference to the bearer token that it sends (http_config.authorization). Instead of username and password."`
	Username   string          `yaml:"username" pattern:"login" doc:"alertmanager: the user name of its basic authentication (http_config.basic_auth)."`
	Password   Ref             `yaml:"password" doc:"alertmanager: reference to the password that belongs to username."`
	Events     []string        `yaml:"events" enum:"incident.triggered,incident.reopened,incident.escalated,incident.acknowledged,incident.priority_updated" unique:"true" min:"1" doc:"pagerduty: which events of an incident ask; others are answered and do nothing. Absent: incident.triggered."`
}

// HookSecrets are those of one hook; which of them is there depends on its kind.
type HookSecrets struct{ Secret, NextSecret, Token, Password secret.Value }

// references returns the references of the hook by their keys.
func (h Hook) references() map[string]Ref {
	return map[string]Ref{"secret": h.Secret, "next_secret": h.NextSecret, "token": h.Token, "password": h.Password}
}

// resolve reads the hook's references.
func (h Hook) resolve(get func(key string, ref Ref) secret.Value) HookSecrets {
	return HookSecrets{get("secret", h.Secret), get("next_secret", h.NextSecret), get("token", h.Token), get("password", h.Password)}
}

// hookKeys are the keys that only some kinds have.
func hookKeys(kind string) []string {
	return map[string][]string{"hmac": {"secret", "next_secret", "may_name"}, "pagerduty": {"secret", "next_secret", "events"}, "alertmanager": {"token", "username", "password"}}[kind]
}

func (c *checker) hooks() {
	c.names("hooks", len(c.doc.Hooks), func(i int) string { return c.doc.Hooks[i].Name })
	for i := range c.doc.Hooks {
		h, section := &c.doc.Hooks[i], fmt.Sprintf("hooks[%d]", i)
		c.onlyKeys(section, "a hook of kind "+h.Kind, h.Kind, hookKeys, "secret", "next_secret", "token", "username", "password", "events", "may_name")
		c.hookTarget(*h, section)
		switch h.Kind {
		case "alertmanager":
			c.alertmanager(*h, section)
		case "hmac", "pagerduty":
			c.missing(section, "secret", "without it nobody can tell who asks")
			if h.Secret != "" && h.Secret == h.NextSecret {
				c.fail(section+".next_secret", "it is the same reference as secret", "name the other secret, or remove the key once the exchange is over")
			}
		}
		if h.Kind == "pagerduty" && !c.written(section, "events") {
			h.Events = []string{"incident.triggered"}
		}
	}
}

// hookTarget checks which federation and Regions a hook is about.
func (c *checker) hookTarget(h Hook, section string) {
	if h.Federation == "" {
		return
	}
	i := slices.IndexFunc(c.doc.Federations, func(f federationDoc) bool { return f.Name == h.Federation })
	if i < 0 {
		c.knownFederation(section+".federation", h.Federation, "the hook asks for nothing")
		return
	}
	for path, r := range hookRegions(h, section) {
		switch {
		case r.IsZero():
		case h.Action == "evaluate":
			c.fail(path, "a hook that only has a look taken asks for no Region", "remove it, or set action to propose or move")
		case !slices.Contains(c.doc.Federations[i].Regions, r):
			c.fail(path, fmt.Sprintf("%s is not one of the Regions of federation %s", r, h.Federation), "choose one of the federation's Regions")
		}
	}
}

// hookRegions are the Regions that a hook may ask for, by their paths.
func hookRegions(h Hook, section string) map[string]signin.Region {
	out := map[string]signin.Region{section + ".to": h.To}
	for i, r := range h.MayName {
		out[fmt.Sprintf("%s.may_name[%d]", section, i)] = r
	}
	return out
}

// alertmanager checks a source that signs nothing: a copy of what it sent cannot
// be told from the original (spec 13.1).
func (c *checker) alertmanager(h Hook, section string) {
	basic := c.written(section, "username") || c.written(section, "password")
	switch {
	case h.Action == "move":
		c.fail(section+".action", "Alertmanager signs nothing, so it may ask for evaluate or propose only", "set action to propose: people, or the rules in mode auto, then decide")
	case basic && c.written(section, "token"):
		c.fail(section+".token", "the hook has two credentials", "keep token, or username and password")
	case basic:
		c.missing(section, "username", "a password needs its user name")
		c.missing(section, "password", "a user name alone proves nothing")
	case !c.written(section, "token"):
		c.warn(section, "anybody who reaches this hook can use it", "give it token, or username and password, and the same to Alertmanager (http_config)")
	}
}
