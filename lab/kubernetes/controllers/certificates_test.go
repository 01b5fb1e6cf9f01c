package controllers

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

func TestKubeconfigIsForTheEndpointAndSignedByTheClustersAuthority(t *testing.T) {
	ca, err := newKeyPair("ca")
	if err != nil {
		t.Fatal(err)
	}
	content, err := newKubeconfig("c1", "https://203.0.113.150:6443", ca["tls.crt"], ca["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(content)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Host != "https://203.0.113.150:6443" {
		t.Errorf("server %s", cfg.Host)
	}
	certificate, err := parseCertificate(cfg.CertData)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca["tls.crt"])
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if got := certificate.Subject.Organization; len(got) != 1 || got[0] != "system:masters" {
		t.Errorf("organization %v", got)
	}
	if life := time.Until(certificate.NotAfter); life < clientLife-time.Hour || life > clientLife {
		t.Errorf("valid for %s", life)
	}
}

func TestKubeconfigIsSignedWithAKeyAsMagnumWritesIt(t *testing.T) {
	ca, err := newKeyPair("ca")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(ca["tls.key"])
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	content, err := newKubeconfig("c1", "https://a:6443", ca["tls.crt"], pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	if err != nil {
		t.Fatal(err)
	}
	if !kubeconfigGood(content, "https://a:6443", ca["tls.crt"]) {
		t.Error("the kubeconfig is not good")
	}
	if _, err := newKubeconfig("c1", "https://a:6443", ca["tls.crt"], []byte("no key")); err == nil {
		t.Error("no key was taken for one")
	}
}

func TestKubeconfigIsMadeAgainWhenItNoLongerFits(t *testing.T) {
	ca, _ := newKeyPair("ca")
	other, _ := newKeyPair("ca")
	content, err := newKubeconfig("c1", "https://a:6443", ca["tls.crt"], ca["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, server string
		ca           []byte
		good         bool
	}{
		{"same", "https://a:6443", ca["tls.crt"], true},
		{"another endpoint", "https://b:6443", ca["tls.crt"], false},
		{"another authority", "https://a:6443", other["tls.crt"], false},
	} {
		if got := kubeconfigGood(content, test.server, test.ca); got != test.good {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestServiceAccountKeyPairIsBare(t *testing.T) {
	pair, err := newKeyPair("sa")
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode(pair["tls.crt"]); block == nil || block.Type != "PUBLIC KEY" {
		t.Errorf("%s", pair["tls.crt"])
	}
}
