package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"net"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/oidc"
	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// oidcAudience is the API as the simulated issuer knows it.
const oidcAudience = "samlfailover"

// staff are the people of the written config, by first name, with their role.
func staff() [][2]string {
	return [][2]string{{"ada", "admin"}, {"grace", "approver"}, {"katherine", "operator"}, {"margaret", "viewer"}}
}

// staffToken makes a token as samlfailover's are: sfo_, 256 random bits in base
// 62, and the CRC-32 of both in base 62.
func staffToken() (string, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	body := "sfo_" + base62(new(big.Int).SetBytes(raw), 43)
	return body + base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), 6), nil
}

func base62(n *big.Int, size int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	out := make([]byte, size)
	base, rest := big.NewInt(62), new(big.Int)
	for i := size - 1; i >= 0; i-- {
		n.DivMod(n, base, rest)
		out[i] = digits[rest.Int64()]
	}
	return string(out)
}

// freePort finds a loopback port for the controller of the written config: below
// those that systems give to outgoing connections, so that none of these takes it
// before the controller starts.
func freePort() (string, error) {
	const first, count = 20000, 12000
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(count))
		if err != nil {
			return "", fmt.Errorf("find a port for the controller: %w", err)
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+n.Int64()))
		if err != nil {
			continue // somebody has it
		}
		addr := l.Addr().String()
		return addr, l.Close()
	}
	return "", errors.New("find a port for the controller: a hundred ports were taken")
}

// registerController chooses, once, where the controller of the written config
// will listen, and has Slack send its requests there.
func (w *World) registerController() (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.controller != "" {
		return nil
	}
	if w.controller, err = freePort(); err != nil {
		return err
	}
	at := "http://" + w.controller + "/slack"
	return errors.Join(w.expectHooks(), w.slack.Register(at+"/commands", at+"/actions"))
}

// newStaff makes everybody's token.
func (w *World) newStaff() error {
	w.tokens = map[string]string{}
	for _, p := range staff() {
		var err error
		if w.tokens[p[0]], err = staffToken(); err != nil {
			return err
		}
	}
	return nil
}

// ControllerURL is where the controller of the written config answers, "" before
// WriteDir.
func (w *World) ControllerURL() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.controller == "" {
		return ""
	}
	return "http://" + w.controller
}

// StaffToken is the token of a person of the written config, by first name.
func (w *World) StaffToken(first string) string { return w.tokens[first] }

// Issuer returns the simulated OpenID Connect issuer, to use it.
func (w *World) Issuer() *oidc.Issuer { return w.issuer }

// OIDCAudience is the API as the issuer's tokens name it.
func (w *World) OIDCAudience() string { return oidcAudience }

// OIDCSubject is a person of the written config as the issuer names them.
func (w *World) OIDCSubject(first string) string { return "00u" + first }

// controllerConfig are the people and the network API of the written config.
func (w *World) controllerConfig() string {
	var b strings.Builder
	b.WriteString("people: # their tokens are in the env file\n")
	for _, p := range staff() {
		sum := sha256.Sum256([]byte(w.tokens[p[0]]))
		fmt.Fprintf(&b, "  - name: %s\n    roles: [{role: %s}]\n    tokens: [%q]\n    oidc: [{issuer: %s, subject: %s}]\n    slack: [{team: %s, user: %s}]\n",
			p[0], p[1], "sha256:"+hex.EncodeToString(sum[:]), oidc.URL, w.OIDCSubject(p[0]), slackTeam, slackUser(p[0]))
	}
	fmt.Fprintf(&b, "server:\n  listen: %s\n  oidc:\n    - {issuer: %s, audience: %s, federations: [%s], role: admin}\n", w.controller, oidc.URL, oidcAudience, seed.Federation)
	return b.String()
}

// controllerVariables are for tools that speak to the controller.
func (w *World) controllerVariables() [][2]string {
	out := [][2]string{{"SAMLFAILOVER_URL", w.ControllerURL()}, {"SAMLFAILOVER_TOKEN", w.tokens["ada"]}}
	for _, p := range staff() {
		out = append(out, [2]string{"SAMLFAILOVER_TOKEN_" + strings.ToUpper(p[0]), w.tokens[p[0]]})
	}
	return out
}
