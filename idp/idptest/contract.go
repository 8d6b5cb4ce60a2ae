package idptest

import (
	"net/http"
	"net/http/httptest"
)

// Contract is what requests and answers of one API look like.
type Contract struct{}

func (c *Contract) check(*http.Request, []byte, *httptest.ResponseRecorder) {}
func (c *Contract) breaches() []string                                      { return nil }
