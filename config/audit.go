package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
)

// Audit says where the audit record is copied to.
type Audit struct {
	Sinks []AuditSink `yaml:"sinks" max:"10" doc:"Places outside that get every audit record too, so that a changed record can be told. One that fails or hangs stops nothing."`
}

// AuditSink is one place outside. File is absolute after loading, Allow holds
// networks in CIDR form; Secret is a reference: Resolve turns it into the secret.
type AuditSink struct {
	Name   string   `yaml:"name" required:"true" pattern:"name" doc:"Your word for it; audit verify --sink takes it."`
	File   string   `yaml:"file" doc:"File that lines are appended to, relative to this file: best on storage that only takes additions, and one for each controller. Instead of url."`
	URL    string   `yaml:"url" doc:"Where lines are posted, signed, https and without a query; http on this machine only. Instead of file."`
	Secret Ref      `yaml:"secret" doc:"With url: reference to the secret, at least 32 bytes, that each request is signed with."`
	Allow  []string `yaml:"allow" unique:"true" max:"50" doc:"With url: addresses or networks, such as 10.20.0.0/16, that it may lead to although they are this machine's, private, link-local or a metadata service's. Absent: the public internet only."`
	Send   string   `yaml:"send" default:"records" enum:"records,heads" doc:"Whole records, redacted as they are in the record, or of each its number and hash alone: that is enough to tell that a record was changed, not what it said."`
}

// Allowed returns the networks that the sink's URL may lead to.
func (s AuditSink) Allowed() []netip.Prefix { return Sink{Allow: s.Allow}.Allowed() }

func (c *checker) audit() {
	c.names("audit.sinks", len(c.doc.Audit.Sinks), func(i int) string { return c.doc.Audit.Sinks[i].Name })
	files := map[string]int{}
	for i := range c.doc.Audit.Sinks {
		s, section := &c.doc.Audit.Sinks[i], fmt.Sprintf("audit.sinks[%d]", i)
		switch {
		case s.File != "" && s.URL != "":
			c.fail(section+".url", "the sink is both a file and a webhook", "keep one of file and url; name two sinks for both")
		case s.File != "":
			c.auditFile(s, section, files, i)
		case c.written(section, "url"):
			c.missing(section, "secret", "the other side cannot know who sent an unsigned record")
			c.webhookURL(section+".url", s.URL)
			s.Allow = c.allowed(section+".allow", s.Allow)
		default:
			c.fail(section, "the sink has nowhere to send to", "give it file, or url with secret")
		}
	}
}

// auditFile checks a sink that is a file.
func (c *checker) auditFile(s *AuditSink, section string, files map[string]int, i int) {
	for _, key := range []string{"secret", "allow"} {
		if c.written(section, key) {
			c.fail(section+"."+key, "it belongs to url, and this sink is a file", "remove it")
		}
	}
	if strings.HasPrefix(s.File, "~") {
		c.fail(section+".file", "~ is not understood here", "write the path out, or relative to this file")
		return
	}
	if !filepath.IsAbs(s.File) {
		s.File = filepath.Join(c.dir, s.File)
	}
	if within(c.doc.Store.Dir, s.File) {
		c.fail(section+".file", "the copy is in the data folder: who can change the record there can change the copy", "keep it on other storage, best on another machine's")
	}
	if j, taken := files[s.File]; taken {
		c.fail(section+".file", fmt.Sprintf("number %d writes to this file already", j+1), "give each sink a file of its own")
	}
	files[s.File] = i
}
