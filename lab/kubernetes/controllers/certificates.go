package controllers

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/keyutil"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	caLife     = 10 * 365 * 24 * time.Hour // as Cluster API
	clientLife = 365 * 24 * time.Hour      // as Cluster API
)

// clusterCertificates are the secrets <cluster>-<purpose> that a control plane needs before its first machine: three
// certificate authorities and the key pair that signs service account tokens.
var clusterCertificates = []string{"ca", "etcd", "proxy", "sa"}

// clusterSecret makes a secret as Cluster API does: typed, and labelled with the cluster's name.
func clusterSecret(cluster *clusterv1.Cluster, purpose string, by metav1.OwnerReference, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace, Name: cluster.Name + "-" + purpose,
			Labels: map[string]string{clusterv1.ClusterNameLabel: cluster.Name}, OwnerReferences: []metav1.OwnerReference{by}},
		Type: clusterv1.ClusterSecretType,
		Data: data,
	}
}

// ensureCertificates creates the secrets that are missing. A given one (brought by the user) is kept as it is.
func (b *base) ensureCertificates(ctx context.Context, cluster *clusterv1.Cluster, by metav1.OwnerReference) error {
	for _, purpose := range clusterCertificates {
		err := b.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Name + "-" + purpose}, &corev1.Secret{})
		if err == nil {
			continue
		}
		if !apierrors.IsNotFound(err) {
			return err
		}
		data, err := newKeyPair(purpose)
		if err != nil {
			return err
		}
		if err := b.Create(ctx, clusterSecret(cluster, purpose, by, data)); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func newKeyPair(purpose string) (map[string][]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if purpose == "sa" { // a bare key pair, no certificate
		public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return nil, err
		}
		return map[string][]byte{"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), "tls.key": private}, nil
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: time.Now().Add(-5 * time.Minute), NotAfter: time.Now().Add(caLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"tls.crt": certificate, "tls.key": private}, nil
}

func sign(template, parent *x509.Certificate, key, by *rsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	if template.SubjectKeyId == nil && template.IsCA {
		sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
		template.SubjectKeyId = sum[:20]
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// ensureKubeconfig keeps <cluster>-kubeconfig: an administrator's client certificate for a year, made anew after half of
// it, when the endpoint changes, or when the secret is deleted. Upstream analogue: the kubeadm control plane controller.
func (b *base) ensureKubeconfig(ctx context.Context, cluster *clusterv1.Cluster, by metav1.OwnerReference) error {
	ca := &corev1.Secret{}
	if err := b.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Name + "-ca"}, ca); err != nil {
		return err
	}
	server := fmt.Sprintf("https://%s:%d", cluster.Spec.ControlPlaneEndpoint.Host, cluster.Spec.ControlPlaneEndpoint.Port)
	known := &corev1.Secret{}
	err := b.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Name + "-kubeconfig"}, known)
	if err == nil && kubeconfigGood(known.Data["value"], server, ca.Data["tls.crt"]) {
		return nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	content, err2 := newKubeconfig(cluster.Name, server, ca.Data["tls.crt"], ca.Data["tls.key"])
	if err2 != nil {
		return err2
	}
	if apierrors.IsNotFound(err) {
		return b.Create(ctx, clusterSecret(cluster, "kubeconfig", by, map[string][]byte{"value": content}))
	}
	known.Data = map[string][]byte{"value": content}
	return b.Update(ctx, known)
}

// kubeconfigGood: same server, same authority, and more than half of the certificate's life left.
func kubeconfigGood(content []byte, server string, ca []byte) bool {
	cfg, err := clientcmd.RESTConfigFromKubeConfig(content)
	if err != nil || cfg.Host != server || string(cfg.CAData) != string(ca) {
		return false
	}
	certificate, err := parseCertificate(cfg.CertData)
	return err == nil && time.Until(certificate.NotAfter) > clientLife/2
}

func parseCertificate(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("no PEM data")
	}
	return x509.ParseCertificate(block.Bytes)
}

// newKubeconfig issues a client certificate of group system:masters and writes it down as Cluster API does.
func newKubeconfig(cluster, server string, caCertificate, caKey []byte) ([]byte, error) {
	authority, err := parseCertificate(caCertificate)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s-ca: %w", cluster, err)
	}
	// PKCS #1 as Cluster API writes it, or PKCS #8 as Magnum does.
	parsed, err := keyutil.ParsePrivateKeyPEM(caKey)
	if err != nil {
		return nil, fmt.Errorf("key of %s-ca: %w", cluster, err)
	}
	by, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key of %s-ca: not an RSA key", cluster)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	certificate, err := sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "kubernetes-admin", Organization: []string{"system:masters"}}, NotBefore: time.Now().Add(-5 * time.Minute), NotAfter: time.Now().Add(clientLife),
		KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, authority, key, by)
	if err != nil {
		return nil, err
	}
	user := cluster + "-admin"
	context := user + "@" + cluster
	return clientcmd.Write(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{cluster: {Server: server, CertificateAuthorityData: caCertificate}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{user: {ClientCertificateData: certificate,
			ClientKeyData: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})}},
		Contexts:       map[string]*clientcmdapi.Context{context: {Cluster: cluster, AuthInfo: user}},
		CurrentContext: context,
	})
}
