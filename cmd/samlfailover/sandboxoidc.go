package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/sandbox/admin"
	"github.com/samlfailover/samlfailover/sandbox/oidc"
)

func newSandboxToken(p *program) *cobra.Command {
	var o oidc.Order
	var fault string
	var keys admin.OIDCKeys
	c := &cobra.Command{
		Use:   "oidc-token --subject SUBJECT",
		Short: "Have the simulated OpenID Connect issuer make a bearer token",
		Long: `oidc-token prints a token of the simulated issuer for the controller's API, good for an
hour. The people of the written config are 00uada, 00ugrace, 00ukatherine, 00umargaret.
--rotate makes it sign with a new key first, --retire takes the former keys out of its
key set. --fault makes a token that must not count:

  none      it says that it is not signed
  hs256     it is signed with the public key as a shared secret
  stranger  it is signed with a key that is not the issuer's
  unknown   it names a key that the issuer does not have`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Subject == "" {
				return usagef("--subject is missing; try: samlfailover sandbox oidc-token --subject 00uada")
			}
			o.Fault = oidc.Fault(fault)
			return p.withSandbox(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				if keys.Rotate || keys.Retire {
					if err := c.Keys(ctx, keys); err != nil {
						return err
					}
				}
				token, err := c.Token(ctx, o)
				if err != nil {
					return err
				}
				if p.json() {
					return p.printJSON(admin.OIDCToken{Token: token})
				}
				p.line("%s", token)
				return nil
			})
		},
	}
	c.Flags().StringVar(&o.Subject, "subject", "", "`SUBJECT` that the token names (sub)")
	c.Flags().StringSliceVar(&o.Groups, "group", nil, "`GROUP` of the subject (may be given several times)")
	c.Flags().StringVar(&o.Audience, "audience", "samlfailover", "`AUDIENCE` of the token (aud)")
	c.Flags().IntVar(&o.Life, "life", 3600, "`SECONDS` until it expires; negative: it expired so long ago")
	c.Flags().StringVar(&fault, "fault", "", "make a token with this `FAULT`")
	c.Flags().BoolVar(&keys.Rotate, "rotate", false, "sign with a new key from now on")
	c.Flags().BoolVar(&keys.Retire, "retire", false, "publish the former keys no more")
	return c
}
