package server

import (
	"strconv"

	"capi-mgmt/lab/kubernetes/options"
)

func apiServerArguments(o *options.Server, l *layout) []string {
	issuer := "https://kubernetes.default.svc." + o.ClusterDomain
	reconciler := "lease"
	if o.AdvertiseAddress.IsLoopback() {
		reconciler = "none" // Endpoints may not hold a loopback address: the write would fail for ever
	}
	arguments := []string{
		"--advertise-address=" + o.AdvertiseAddress.String(), "--endpoint-reconciler-type=" + reconciler,
		"--bind-address=" + o.BindAddress.String(), "--secure-port=" + strconv.Itoa(int(o.Port)),
		"--etcd-servers=unix://" + datastoreSocket, "--etcd-compaction-interval=0", // kine compacts
		"--allow-privileged=true", "--anonymous-auth=false", "--authorization-mode=Node,RBAC", "--profiling=false",
		"--enable-bootstrap-token-auth=true", "--enable-admission-plugins=NodeRestriction",
		"--service-account-issuer=" + issuer, "--api-audiences=" + issuer + ",k3s",
		"--service-account-key-file=" + l.key("service"), "--service-account-signing-key-file=" + l.key("service"),
		"--service-cluster-ip-range=" + o.ServiceCIDR.String(),
		"--tls-cert-file=" + l.cert("serving-kube-apiserver"), "--tls-private-key-file=" + l.key("serving-kube-apiserver"),
		"--client-ca-file=" + l.clientCA.CertPath,
		"--requestheader-client-ca-file=" + l.requestHeaderCA.CertPath, "--requestheader-allowed-names=system:auth-proxy",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + l.cert("client-auth-proxy"), "--proxy-client-key-file=" + l.key("client-auth-proxy"),
		"--kubelet-certificate-authority=" + l.serverCA.CertPath,
		"--kubelet-client-certificate=" + l.cert("client-kube-apiserver"), "--kubelet-client-key=" + l.key("client-kube-apiserver"),
		"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
	}
	if l.encryption != "" {
		arguments = append(arguments, "--encryption-provider-config="+l.encryption)
	}
	return options.Arguments(arguments, o.APIServerArguments)
}

func managerArguments(o *options.Server, l *layout) []string {
	arguments := []string{
		"--kubeconfig=" + l.kubeconfig("controller"), "--leader-elect=false", "--profiling=false",
		"--secure-port=0", // so that the API's is the only port, and servers can run side by side
		"--allocate-node-cidrs=true", "--cluster-cidr=" + o.ClusterCIDR.String(), "--service-cluster-ip-range=" + o.ServiceCIDR.String(),
		"--controllers=*,tokencleaner,-service,-route,-cloud-node-lifecycle", "--use-service-account-credentials=true",
		"--root-ca-file=" + l.serverCA.CertPath, "--service-account-private-key-file=" + l.key("service"),
		"--concurrent-namespace-syncs=10",
		// At the default of 20 requests a second, making a service account and token for each controller takes 4 s at the
		// first start.
		"--kube-api-qps=200", "--kube-api-burst=400",
	}
	for _, signer := range []string{"kube-apiserver-client", "kubelet-client", "kubelet-serving", "legacy-unknown"} {
		authority := l.serverCA
		if signer == "kube-apiserver-client" || signer == "kubelet-client" {
			authority = l.clientCA
		}
		arguments = append(arguments, "--cluster-signing-"+signer+"-cert-file="+authority.CertPath, "--cluster-signing-"+signer+"-key-file="+authority.KeyPath)
	}
	return options.Arguments(arguments, o.ControllerManagerArguments)
}

func schedulerArguments(o *options.Server, l *layout) []string {
	return options.Arguments([]string{
		"--kubeconfig=" + l.kubeconfig("scheduler"), "--secure-port=0", "--leader-elect=false", "--profiling=false",
	}, o.SchedulerArguments)
}
