package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/secret"
)

// PagerDutyEvents is where PagerDuty's Events API v2 answers; an account in the
// EU has https://events.eu.pagerduty.com (PagerDuty, "Service Regions").
const PagerDutyEvents = "https://events.pagerduty.com"

// Sink is one place that is told of what happens. Token, WebhookURL, RoutingKey
// and Secret are references: Resolve turns them into Secrets.Sinks. Events is
// filled in, Allow holds networks in CIDR form after loading.
type Sink struct {
	Name        string   `yaml:"name" required:"true" pattern:"name" doc:"Your word for it; status and samlfailover notify test name it so."`
	Kind        string   `yaml:"kind" required:"true" enum:"slack,pagerduty,webhook" doc:"A Slack channel, a PagerDuty service, or a signed webhook of your own."`
	Events      []string `yaml:"events" enum:"page,suspect,confirmed,proposal,hold,move-begun,move-ended,move-failed,config" unique:"true" min:"1" doc:"What it is told of: a finding that needs a person now (page), a Region that is suspect or confirmed to be down, a proposal that waits for people, an outage in which a rule holds the move (hold), a move's begin and end, one that ended incomplete (move-failed), a config that changes what the controller may do or is refused (config). The end of what it was told of it is always told. Absent: all but suspect; for pagerduty without move-begun, move-ended and config too, and in the channel of slack.announce without proposal."`
	Federations []string `yaml:"federations" unique:"true" min:"1" max:"200" doc:"Whose events it gets. Absent: those of every federation, and the store's."`
	Token       Ref      `yaml:"token" doc:"Slack: reference to the bot token (xoxb-...), with the scope chat:write. Instead of webhook_url."`
	Channel     string   `yaml:"channel" pattern:"channel" doc:"Slack: id of the channel that the bot writes to; it has to be a member."`
	WebhookURL  Ref      `yaml:"webhook_url" doc:"Slack: reference to the URL of an incoming webhook, which is a secret. Instead of token and channel."`
	RoutingKey  Ref      `yaml:"routing_key" doc:"PagerDuty: reference to the integration key of an Events API v2 integration."`
	URL         string   `yaml:"url" doc:"Webhook: where the signed JSON is posted, https and without a query; http on this machine only. PagerDuty: the Events API of an account elsewhere, such as https://events.eu.pagerduty.com. Absent there: https://events.pagerduty.com."`
	Secret      Ref      `yaml:"secret" doc:"Webhook: reference to the secret, at least 32 bytes, that each message is signed with."`
	Allow       []string `yaml:"allow" unique:"true" max:"50" doc:"Webhook: addresses or networks, such as 10.20.0.0/16, that the URL may lead to although they are this machine's, private, link-local or a metadata service's. Absent: the public internet only."`
}

// SinkSecrets are those of one sink; which of them is there depends on its kind.
type SinkSecrets struct{ Token, WebhookURL, RoutingKey, Secret secret.Value }

// references returns the references of the sink by their keys.
func (s Sink) references() map[string]Ref {
	return map[string]Ref{"token": s.Token, "webhook_url": s.WebhookURL, "routing_key": s.RoutingKey, "secret": s.Secret}
}

// resolve reads the sink's references.
func (s Sink) resolve(get func(key string, ref Ref) secret.Value) SinkSecrets {
	return SinkSecrets{get("token", s.Token), get("webhook_url", s.WebhookURL), get("routing_key", s.RoutingKey), get("secret", s.Secret)}
}

// Allowed returns the networks that the sink's URL may lead to.
func (s Sink) Allowed() []netip.Prefix {
	var out []netip.Prefix
	for _, a := range s.Allow {
		if p, err := netip.ParsePrefix(a); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// eventsOf are what a sink of a kind is told of unless the config says so.
func eventsOf(kind string) []string {
	if kind == "pagerduty" {
		return []string{"page", "confirmed", "proposal", "hold", "move-failed"}
	}
	return []string{"page", "confirmed", "proposal", "hold", "move-begun", "move-ended", "move-failed", "config"}
}

// sinkKeys are the keys that only some kinds have.
func sinkKeys(kind string) []string {
	return map[string][]string{"slack": {"token", "channel", "webhook_url"}, "pagerduty": {"routing_key", "url"}, "webhook": {"url", "secret", "allow"}}[kind]
}

func (c *checker) sinks() {
	c.names("notify", len(c.doc.Notify), func(i int) string { return c.doc.Notify[i].Name })
	for i := range c.doc.Notify {
		s, section := &c.doc.Notify[i], fmt.Sprintf("notify[%d]", i)
		for j, f := range s.Federations {
			c.knownFederation(fmt.Sprintf("%s.federations[%d]", section, j), f, "nothing is told of it")
		}
		c.onlyKeys(section, "a sink of kind "+s.Kind, s.Kind, sinkKeys, "token", "channel", "webhook_url", "routing_key", "url", "secret", "allow")
		switch s.Kind {
		case "slack":
			c.slackSink(section)
		case "pagerduty":
			c.missing(section, "routing_key", "PagerDuty takes no event without it")
			c.pagerDutyURL(s, section+".url")
		case "webhook":
			c.missing(section, "url", "it says where to")
			c.missing(section, "secret", "the other side cannot know who sent an unsigned message")
			c.webhookURL(section+".url", s.URL)
			s.Allow = c.allowed(section+".allow", s.Allow)
		}
		twice := s.Channel != "" && s.Channel == c.doc.Slack.Announce
		switch {
		case !c.written(section, "events") && twice: // the announcement has the buttons
			s.Events = slices.DeleteFunc(eventsOf(s.Kind), func(e string) bool { return e == "proposal" })
		case !c.written(section, "events"):
			s.Events = eventsOf(s.Kind)
		case twice && slices.Contains(s.Events, "proposal"):
			c.warn(section+".events", "slack.announce tells of proposals in the same channel, so each is told there twice", "leave proposal out of the sink's events")
		}
	}
}

// onlyKeys refuses keys that belong to other kinds. The kind "" was refused
// already.
func (c *checker) onlyKeys(section, what, kind string, of func(string) []string, all ...string) {
	takes := of(kind)
	for _, key := range all {
		if kind != "" && c.written(section, key) && !slices.Contains(takes, key) {
			c.fail(section+"."+key, what+" has no such key", "remove it; this kind takes "+strings.Join(takes, ", "))
		}
	}
}

// knownFederation doubts the name of a federation that is not there; it may be
// one that is drafted anew.
func (c *checker) knownFederation(path, name, effect string) {
	var known []string
	for _, f := range c.doc.Federations {
		known = append(known, f.Name)
	}
	if name != "" && len(known) > 0 && !slices.Contains(known, name) {
		c.warn(path, fmt.Sprintf("no federation is called %s: %s", quote(name), effect), "the federations are: "+strings.Join(known, ", "))
	}
}

// slackSink wants one of the two ways into a channel.
func (c *checker) slackSink(section string) {
	hook, bot := c.written(section, "webhook_url"), c.written(section, "token") || c.written(section, "channel")
	switch {
	case hook && bot:
		c.fail(section+".webhook_url", "the sink has two ways into Slack", "keep the bot token with its channel, or the incoming webhook")
	case !hook && !bot:
		c.fail(section, "the sink has no way into Slack", "give it token and channel, or webhook_url")
	case bot:
		c.missing(section, "token", "the channel alone lets nobody write")
		c.missing(section, "channel", "the bot has to know where to write")
	}
}

// pagerDutyURL fills in where the Events API is.
func (c *checker) pagerDutyURL(s *Sink, path string) {
	if s.URL == "" {
		s.URL = PagerDutyEvents
		return
	}
	host, message, _ := origin(s.URL)
	if message != "" {
		c.fail(path, "this is not the origin of an Events API", "write it as "+PagerDutyEvents+", with nothing after the host")
		return
	}
	s.URL = "https://" + host
}

// webhookURL checks the URL of a webhook. Messages never repeat it.
func (c *checker) webhookURL(path, text string) {
	const shape = "write it as https://hooks.example/samlfailover"
	u, err := url.Parse(text)
	switch {
	case text == "":
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		c.fail(path, "this is not the URL of a webhook", shape)
	case u.User != nil:
		c.fail(path, "the webhook's URL holds a user name or a password", shape+"; messages are signed with secret")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		c.fail(path, "the webhook's URL has a query or a fragment, which is no place for a secret", shape+"; messages are signed with secret")
	case u.Scheme == "http" && !loopbackName(u.Hostname()), u.Scheme != "http" && u.Scheme != "https":
		c.fail(path, "a webhook is reached over https only, but for one on this machine", shape)
	}
}

// loopbackName reports whether a host is this machine's own, as written.
func loopbackName(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// allowed returns the networks of a list in CIDR form.
func (c *checker) allowed(path string, list []string) []string {
	var out []string
	for i, text := range list {
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			text = netip.PrefixFrom(a, a.BitLen()).String()
		}
		p, err := netip.ParsePrefix(text)
		switch {
		case text == "":
		case err != nil || p != p.Masked():
			c.fail(fmt.Sprintf("%s[%d]", path, i), "this is not an address or a network", "write it as 10.20.0.7, or as 10.20.0.0/16")
		case p.Bits() == 0:
			c.fail(fmt.Sprintf("%s[%d]", path, i), "this allows every address", "name the networks that the webhook is in")
		default:
			out = append(out, p.String())
		}
	}
	return out
}
