package jetstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	raw "github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
)

// serveFile starts a server with a configuration that others could run
// nats-server with.
func serveFile(t testing.TB, config string) *natsd.Server {
	t.Helper()
	return serve(t, natsd.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", File: writeConfig(t, config)})
}

func writeConfig(t testing.TB, config string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The broker works on whatever connection the caller makes.
func TestCredentialsAreTheConnections(t *testing.T) {
	certificate, roots := certify(t)
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config string
		option nats.Option
	}{
		"user and password": {`authorization { user: shop, password: secret }`, nats.UserInfo("shop", "secret")},
		"token":             {`authorization { token: secret }`, nats.Token("secret")},
		"nkey":              {`authorization { users: [ { nkey: ` + public + ` } ] }`, nats.Nkey(public, key.Sign)},
		"TLS":               {certificate, nats.RootCAs(roots)},
	} {
		t.Run(name, func(t *testing.T) {
			srv := serveFile(t, c.config)
			nc, err := nats.Connect(srv.URL(), c.option)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			b := open(t, nc, jetstream.Config{})
			member := &member{t: t, broker: b}
			member.subscribe()
			publishAll(t, b, numbered("topic", 0, 1))
			member.receive("topic-000000")

			// Without them the server turns the client away, and NATS says so.
			if nc, err := nats.Connect(srv.URL()); err == nil {
				nc.Close()
				t.Error("connected without the option")
			}
		})
	}
}

// certify makes a certificate for loopback that is its own authority, and
// returns the server's configuration and the client's file.
func certify(t *testing.T) (config, roots string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "natsd"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, keyFile := write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private)
	if _, err := tls.LoadX509KeyPair(cert, keyFile); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("tls { cert_file: %q, key_file: %q }", cert, keyFile), cert
}

// What a server refuses is one line, with the cure in it.
func TestRefusalsNameTheCure(t *testing.T) {
	const accounts = `
accounts {
	SHOP { jetstream: enabled, users: [
		{ user: shop, password: secret },
		{ user: mute, password: secret, permissions { publish { deny: "$JS.API.>" } } }
	] }
	PLAIN { users: [ { user: plain, password: secret } ] }
}`
	srv := serveFile(t, accounts)
	taken, err := nats.Connect(srv.URL(), nats.UserInfo("shop", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := rawClient(t, taken).CreateStream(t.Context(), raw.StreamConfig{Name: "OTHER", Subjects: []string{"taken.>"}}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		user string
		cfg  jetstream.Config
		want string
	}{
		"no JetStream for the account":      {"plain", jetstream.Config{}, "set jetstream: enabled"},
		"no right to ask it":                {"mute", jetstream.Config{}, "give the user the rights"},
		"subjects of another stream":        {"shop", jetstream.Config{Prefix: "taken"}, "choose another Config.Prefix"},
		"replicas on a server by itself":    {"shop", jetstream.Config{Replicas: 3}, "set Config.Replicas to 1"},
		"a stream that is not of this kind": {"shop", jetstream.Config{Stream: "OTHER"}, "name another Config.Stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nc, err := nats.Connect(srv.URL(), nats.UserInfo(c.user, "secret"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			_, err = jetstream.New(t.Context(), nc, c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	if _, err := nats.Connect(srv.URL(), nats.UserInfo("shop", "wrong")); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("wrong password: got %v", err)
	}
}
