package outbound

// Description is what `check` and the start log show (spec 15.2). Nothing in it
// is secret.
type Description struct {
	Proxy       string `json:"proxy"` // URL without credentials, "" = none
	ProxySource string `json:"proxy_source,omitempty"`
	NoProxy     string `json:"no_proxy,omitempty"`
	// Roots and AWSRoots say where the CAs come from; "system" = the operating
	// system's own, which are not listed one by one.
	Roots    string `json:"roots"`
	AWSRoots string `json:"aws_roots"`
	CAs      []CA   `json:"cas,omitempty"`
	AWSCAs   []CA   `json:"aws_cas,omitempty"` // only when they differ
	Replaced bool   `json:"replaced,omitempty"`
}

// Describe returns the network's settings for people.
func (n *Network) Describe() Description {
	d := Description{Proxy: n.proxy.shown, ProxySource: n.proxy.source, NoProxy: n.proxy.noProxy,
		Roots: n.roots.source, AWSRoots: n.awsRoots.source, CAs: n.roots.cas, Replaced: n.replaced != nil}
	if d.AWSRoots != d.Roots {
		d.AWSCAs = n.awsRoots.cas
	}
	return d
}
