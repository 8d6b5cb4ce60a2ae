package clustertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// worldAddress is where the simulated world is, as the controllers see it; they
// are at 10.99.0.1 to 10.99.0.3.
const worldAddress = "10.99.0.254"

// network is one controller's: in namespaces an address of its own, on loopback
// a port of its own.
type network struct {
	host, port string   // where its peers find it
	proxy      string   // host:port of its way into the world
	client     string   // the address that the world's log knows it by
	prefix     []string // of a command that runs in it
	holder     int      // the process that holds the namespace, 0 on loopback
}

func (n network) url() string { return "https://" + net.JoinHostPort(n.host, n.port) }

// newNetwork makes the network of controller i (1 to 3); world is the address of
// the simulated world's proxy.
func newNetwork(t *testing.T, i int, world string) network {
	t.Helper()
	n := network{host: "127.0.0.1", client: fmt.Sprintf("127.0.0.%d", 10+i)}
	listen := "127.0.0.1:0"
	if os.Getenv(insideVar) == "namespaces" {
		n.host, n.port, listen = fmt.Sprintf("10.99.0.%d", i), "2380", worldAddress+":0"
		n.holder = hold(t)
		n.prefix = []string{"nsenter", "-t", strconv.Itoa(n.holder), "-n", "--"}
		port, pid := fmt.Sprintf("port%d", i), strconv.Itoa(n.holder)
		must(t, ip("link add "+port+" type veth peer name eth0 netns "+pid, "link set "+port+" master br0 up"))
		t.Cleanup(func() { _ = ip("link del " + port) })
		must(t, n.ip("link set lo up", "addr add "+n.host+"/24 dev eth0", "link set eth0 up"))
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		_, n.port, err = net.SplitHostPort(l.Addr().String())
		must(t, err, l.Close())
	}
	n.proxy = forward(t, listen, n.client, world)
	return n
}

// hold starts a process that keeps a network namespace until the test ends.
func hold(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	must(t, err, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// ip runs iproute2 in the namespace.
func (n network) ip(lines ...string) error {
	for _, line := range lines {
		cmd := exec.Command("nsenter", "-t", strconv.Itoa(n.holder), "-n", "--", "sh", "-c", "ip "+line) //nolint:gosec // the test's own words
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return nil
}

// cut drops every packet between two controllers, without a word to either: they
// are sent to a machine that is not there. Both still reach the world.
func cut(t *testing.T, a, b network) {
	t.Helper()
	const nobody = " lladdr 02:00:00:00:00:fe dev eth0 nud permanent"
	must(t, a.ip("neigh replace "+b.host+nobody), b.ip("neigh replace "+a.host+nobody))
}

// mend takes cut back.
func mend(t *testing.T, a, b network) {
	t.Helper()
	must(t, a.ip("neigh del "+b.host+" dev eth0"), b.ip("neigh del "+a.host+" dev eth0"))
}

// forward carries connections to the world, which sees them come from client. It
// returns where it listens.
func forward(t *testing.T, listen, client, world string) string {
	t.Helper()
	l, err := net.Listen("tcp", listen)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		all.Wait()
	})
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer near.Close()
				far, err := from.DialContext(ctx, "tcp", world)
				if err != nil {
					return
				}
				defer far.Close()
				defer context.AfterFunc(ctx, func() { _, _ = near.Close(), far.Close() })()
				all.Go(func() {
					_, _ = io.Copy(far, near)
					_, _ = far.Close(), near.Close()
				})
				_, _ = io.Copy(near, far)
			})
		}
	})
	return l.Addr().String()
}

// authority is the cluster's own CA.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "controllers' CA"}, NotBefore: time.Now().Add(-48 * time.Hour),
		NotAfter: time.Now().Add(365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	must(t, err)
	c, err = x509.ParseCertificate(der)
	must(t, err, savePEM(filepath.Join(dir, "peers-ca.pem"), "CERTIFICATE", der))
	return &authority{c, key, dir}
}

// issue writes NAME.pem and NAME.key for a controller at host, good until end.
func (a *authority) issue(t *testing.T, name, host string, end time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.ParseIP(host)}}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err, savePEM(filepath.Join(a.dir, name+".pem"), "CERTIFICATE", der), savePEM(filepath.Join(a.dir, name+".key"), "PRIVATE KEY", keyDER))
}

func savePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
