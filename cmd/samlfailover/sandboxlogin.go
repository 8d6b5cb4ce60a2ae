package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/sandbox/admin"
	"github.com/samlfailover/samlfailover/sandbox/login"
)

func newSandboxLogin(p *program) *cobra.Command {
	var r admin.LoginRequest
	c := &cobra.Command{
		Use:   "login",
		Short: "Sign in to AWS in the running sandbox, the whole way a browser goes",
		Long: `login signs in at the portal, opens the app's tile, posts the signed form to the
sign-in endpoint that the app names now, chooses a role if there are several, and
lands on the console. Exit code 1 when it does not.

The SAML response is written to a file that only you can read (assertion_file in
JSON): it is a secret for five minutes.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withSandbox(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				res, err := c.Login(ctx, r)
				if err != nil {
					return err
				}
				return p.showLogin(res)
			})
		},
	}
	c.Flags().StringVar(&r.App, "app", "", "`NAME` or id of the app (default: the first)")
	c.Flags().StringVar(&r.User, "user", "", "`LOGIN` of the person (default: the first)")
	c.Flags().StringVar(&r.Role, "role", "", "`ARN` of the role to choose (default: the first offered)")
	return c
}

type loginLine struct {
	login.Result
	AssertionFile string `json:"assertion_file"` // "" when it did not come that far
}

func (p *program) showLogin(res login.Result) error {
	l := loginLine{Result: res}
	if len(res.Assertion) > 0 {
		path, err := writeAssertion(p.Env["TMPDIR"], res.Assertion)
		if err != nil {
			return err
		}
		l.AssertionFile = path
	}
	if p.json() {
		if err := p.printJSON(l); err != nil {
			return err
		}
	} else {
		for _, h := range res.Hops {
			p.line("  %s %s -> %s", h.Method, escape.Terminal(h.URL), statusWord(h.Status))
		}
		if res.OK {
			p.line("%s is signed in through %q in %s: %s", escape.Terminal(res.User), escape.Terminal(res.App), res.Region, escape.Terminal(res.Landing))
		} else {
			p.line("%s could not sign in through %q: %s", escape.Terminal(res.User), escape.Terminal(res.App), escape.Terminal(res.Reason))
		}
		if l.AssertionFile != "" {
			p.line("SAML response: %s", escape.Terminal(l.AssertionFile))
		}
	}
	if !res.OK {
		return quietly(exitFailed)
	}
	return nil
}

// statusWord is an HTTP status for people; 0 is an answer that never came.
func statusWord(status int) string {
	if status == 0 {
		return "no answer"
	}
	return strconv.Itoa(status)
}

// writeAssertion keeps the SAML response for the owner alone, in dir; "" is the
// system's temporary folder.
func writeAssertion(dir string, xml []byte) (string, error) {
	f, err := os.CreateTemp(dir, "samlfailover-assertion-*.xml") // mode 0600
	if err != nil {
		return "", fmt.Errorf("write the SAML response: %w", err)
	}
	_, err = f.Write(xml)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("write the SAML response %s: %w", f.Name(), err)
	}
	return f.Name(), nil
}
