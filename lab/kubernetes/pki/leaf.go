package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"slices"
	"time"
)

// leafLifetime and leafRenewal are k3s's: a year, renewed at a start within the last 120 days.
const (
	leafLifetime = 365 * 24 * time.Hour
	leafRenewal  = 120 * 24 * time.Hour
)

// Leaf describes a certificate for one purpose.
type Leaf struct {
	Authority     *Authority
	Name          string // file name without .crt and .key
	CommonName    string
	Organizations []string
	Names         []string // subject alternative names: host names and addresses, mixed; empty ones are left out
	Usage         x509.ExtKeyUsage
}

// Ensure keeps dir/name.crt and .key as they are when they fit the description and live long enough, else makes new ones.
// The certificate file also holds the authority's certificate.
func (leaf Leaf) Ensure(dir string) error {
	certPath, keyPath := pairPaths(dir, leaf.Name)
	if leaf.fits(certPath, keyPath) {
		return nil
	}
	key, err := newKey(keyPath)
	if err != nil {
		return err
	}
	begin := time.Now().Add(-time.Minute)
	template := &x509.Certificate{
		SerialNumber: serialNumber(),
		Subject:      pkix.Name{CommonName: leaf.CommonName, Organization: leaf.Organizations},
		NotBefore:    begin,
		NotAfter:     begin.Add(leafLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{leaf.Usage},
	}
	for _, name := range leaf.names() {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, leaf.Authority.Certificate, key.Public(), leaf.Authority.Key)
	if err != nil {
		return err
	}
	return WriteFile(certPath, append(pemOf("CERTIFICATE", der), leaf.Authority.PEM...), 0o644)
}

func (leaf Leaf) names() []string {
	names := slices.Clone(leaf.Names)
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// fits says whether the files are from this authority, match each other, carry every name and are not about to expire.
func (leaf Leaf) fits(certPath, keyPath string) bool {
	certPEM, err := os.ReadFile(certPath)
	if err != nil {
		return false
	}
	keyPEM, err := os.ReadFile(keyPath)
	if err != nil {
		return false
	}
	block, rest := pem.Decode(certPEM)
	if block == nil || !bytes.Equal(rest, leaf.Authority.PEM) {
		return false
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return false
	}
	if !belongs(certificate, key) {
		return false
	}
	for _, name := range leaf.names() {
		if certificate.VerifyHostname(name) != nil {
			return false
		}
	}
	return certificate.CheckSignatureFrom(leaf.Authority.Certificate) == nil &&
		certificate.Subject.CommonName == leaf.CommonName &&
		slices.Equal(certificate.Subject.Organization, leaf.Organizations) &&
		time.Until(certificate.NotAfter) > leafRenewal
}
