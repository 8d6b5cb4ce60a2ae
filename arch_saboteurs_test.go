package samlfailover_test

import (
	"strings"
	"testing"
)

// Each saboteur breaks one rule; the check of that rule must say so, and must
// stay silent about the honest twin.
func TestArchitectureChecksCatchSaboteurs(t *testing.T) {
	t.Parallel()
	const documented = "// Package x is for x. It must never y.\n"
	for _, c := range []struct {
		check, why, pkg, file, text string
		caught                      bool
	}{
		{"imports follow the table", "the ground floor imports upwards", "signin", "a.go", `package signin; import _ "` + module + `/finding"`, true},
		{"imports follow the table", "a decision asks an adapter", "failover", "a.go", `package failover; import _ "` + module + `/idp/okta"`, true},
		{"imports follow the table", "the simulator uses the product's evaluator", "sandbox/aws", "a.go", `package aws; import _ "` + module + `/trustpolicy"`, true},
		{"imports follow the table", "testing in the product", "idp", "a.go", `package idp; import _ "testing"`, true},
		{"imports follow the table", "a test may import what it needs", "idp", "a_test.go", `package idp; import _ "` + module + `/sandbox"`, false},
		{"imports follow the table", "a suite may import testing", "idp/idptest", "a.go", `package idptest; import _ "testing"`, false},
		{"imports follow the table", "an arrow of the table", "idp/okta", "a.go", `package okta; import _ "` + module + `/outbound"`, false},
		{"imports follow the table", "one simulator uses another", "sandbox/login", "a.go", `package login; import _ "` + module + `/sandbox/fault"`, false},

		{"every package has a row and says what it is for", "no row", "surprise", "a.go", documented + "package surprise", true},
		{"every package has a row and says what it is for", "no comment", "signin", "a.go", "package signin", true},
		{"every package has a row and says what it is for", "half a comment", "signin", "a.go", "// Package signin is for x.\npackage signin", true},
		{"every package has a row and says what it is for", "both halves", "signin", "a.go", documented + "package signin", false},

		{"no package without a subject", "util", "idp/util", "a.go", "package util", true},
		{"no package without a subject", "hidden in the clause", "idp/okta", "a.go", "package helpers", true},
		{"no package without a subject", "a subject", "idp/okta", "a.go", "package okta", false},

		{"only outbound makes HTTP clients", "a literal", "idp/okta", "a.go", `package okta; import "net/http"; var c = &http.Client{}`, true},
		{"only outbound makes HTTP clients", "a transport under another name", "idp/okta", "a.go", `package okta; import web "net/http"; func f() { _ = web.Transport{} }`, true},
		{"only outbound makes HTTP clients", "the ready-made one", "idp/okta", "a.go", `package okta; import "net/http"; func f() { http.Get("x") }`, true},
		{"only outbound makes HTTP clients", "new", "server", "a.go", `package server; import "net/http"; func f() { _ = new(http.Client) }`, true},
		{"only outbound makes HTTP clients", "a zero value", "app", "a.go", `package app; import "net/http"; var c http.Client`, true},
		{"only outbound makes HTTP clients", "taking one is fine", "idp/okta", "a.go", `package okta; import "net/http"; func f(c *http.Client) { c.Get("x") }`, false},
		{"only outbound makes HTTP clients", "outbound itself", "outbound", "a.go", `package outbound; import "net/http"; var c = &http.Client{}`, false},
		{"only outbound makes HTTP clients", "the sandbox's own browser", "sandbox/login", "a.go", `package login; import "net/http"; var c = &http.Client{}`, false},
		{"only outbound makes HTTP clients", "a test", "idp/okta", "a_test.go", `package okta; import "net/http"; var c = &http.Client{}`, false},

		{"only awsaccess makes AWS clients", "a client", "trustpolicy/fleet", "a.go", `package fleet; import "github.com/aws/aws-sdk-go-v2/service/iam"; func f() { iam.NewFromConfig(x) }`, true},
		{"only awsaccess makes AWS clients", "the SDK's own chain", "app", "a.go", `package app; import "github.com/aws/aws-sdk-go-v2/config"; func f() { config.LoadDefaultConfig(x) }`, true},
		{"only awsaccess makes AWS clients", "using its types", "trustpolicy/fleet", "a.go", `package fleet; import "github.com/aws/aws-sdk-go-v2/service/iam"; func f(*iam.ListRolesInput) {}`, false},
		{"only awsaccess makes AWS clients", "awsaccess itself", "awsaccess", "a.go", `package awsaccess; import "github.com/aws/aws-sdk-go-v2/service/iam"; func f() { iam.NewFromConfig(x) }`, false},

		{"only cmd reads the environment", "a look behind the back", "outbound", "a.go", `package outbound; import "os"; var p = os.Getenv("HTTPS_PROXY")`, true},
		{"only cmd reads the environment", "all of it", "app", "a.go", `package app; import "os"; func f() { os.Environ() }`, true},
		{"only cmd reads the environment", "cmd", "cmd/samlfailover", "a.go", `package main; import "os"; func f() { os.Environ() }`, false},
		{"only cmd reads the environment", "another function of os", "app", "a.go", `package app; import "os"; func f() { os.Getpid() }`, false},

		{"no init", "init", "signin", "a.go", "package signin; func init() {}", true},
		{"no init", "a method of that name", "signin", "a.go", "package signin; func (t T) init() {}", false},

		{"no sleep in tests", "a sleep", "signin", "a_test.go", `package signin; import "time"; func f() { time.Sleep(1) }`, true},
		{"no sleep in tests", "beside a bubble", "signin", "a_test.go", `package signin; import ("time"; "testing/synctest"); func f() { synctest.Test(t, g); time.Sleep(1) }`, true},
		{"no sleep in tests", "virtual time", "signin", "a_test.go", `package signin; import ("time"; "testing/synctest"); func f() { synctest.Test(t, func() { time.Sleep(1) }) }`, false},

		{"no long files", "501 lines", "signin", "a.go", "package signin" + strings.Repeat("\n", 501), true},
		{"no long files", "500 lines", "signin", "a.go", "package signin" + strings.Repeat("\n", 500), false},
	} {
		s, err := parse(c.pkg, c.file, []byte(c.text))
		if err != nil {
			t.Fatalf("%s, %s: %v", c.check, c.why, err)
		}
		found := false
		for _, k := range checks {
			if k.name != c.check {
				continue
			}
			found = true
			if got := k.find([]source{s}); (len(got) > 0) != c.caught {
				t.Errorf("%s, %s: found %q, want caught=%v", c.check, c.why, got, c.caught)
			}
		}
		if !found {
			t.Errorf("there is no check %q", c.check)
		}
	}
}

// Every check has a saboteur: adding one without is a mistake.
func TestEveryCheckHasASaboteur(t *testing.T) {
	t.Parallel()
	all, err := readModule(".")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, s := range all {
		if s.name == "arch_saboteurs_test.go" {
			for _, v := range literals(s) {
				text.WriteString(v + "\n")
			}
		}
	}
	for _, k := range checks {
		if strings.Count(text.String(), k.name+"\n") < 2 {
			t.Errorf("check %q has no saboteur or no honest twin", k.name)
		}
	}
}
