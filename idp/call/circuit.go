package call

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
)

const (
	tripAfter = 5                // failures in a row
	openFor   = 30 * time.Second // then one call may look whether it is over
)

// circuit spares a dead tenant the calm-time traffic. A move's own calls always
// go out: what a circuit remembers may be old, and a move cannot wait for it.
type circuit struct {
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
}

func newCircuit(name string) *circuit {
	return &circuit{gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: name, Timeout: openFor,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= tripAfter },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) },
	})}
}

// enter asks for one call; done takes what made it fail, nil if the tenant is
// alive. An open circuit refuses calm calls only.
func (c *circuit) enter(calm bool) (done func(error), err error) {
	done, err = c.breaker.Allow()
	if err != nil && !calm {
		return func(error) {}, nil
	}
	return done, err
}

// sickness is what an exchange says of the tenant's health: nil if it is alive.
// A tenant that refuses us, throttles us or is in read-only mode is alive.
func (c *Caller) sickness(resp outbound.Response, err error) error {
	if _, ours := finding.From(err); ours {
		return nil // an answer came, and we refused it
	}
	if err == nil && resp.Status >= http.StatusInternalServerError {
		if f := c.vendor.Judge(resp).Finding; f.Code == finding.IdPUnreachable {
			return f
		}
	}
	return err
}

// spared is the finding about a calm-time call that was not made.
func (c *Caller) spared(subject string) error {
	return finding.Finding{Code: finding.IdPUnreachable, Subject: subject, What: c.vendor.Name + " was not asked",
		Why:    fmt.Sprintf("the last %d calls to %s failed; calm-time calls begin again after %v", tripAfter, c.subject, openFor),
		Remedy: fmt.Sprintf("check the network and the proxy between here and the tenant; %s says whether %s is down. A move asks in any case", c.vendor.StatusPage, c.vendor.Name)}
}
