package server

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"capi-mgmt/lab/kubernetes/conversion"
	"capi-mgmt/lab/kubernetes/nodes"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/server/egressselector"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"
	apiapp "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// reachKubelet makes the API server dial the stand-in for every kubelet, wherever a Node says its kubelet is.
func reachKubelet(config *apiapp.Config) {
	config.KubeAPIs.Extra.KubeletClientConfig.Lookup = func(egressselector.NetworkContext) (utilnet.DialFunc, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", nodes.KubeletSocket)
		}, nil
	}
}

// isolate keeps the API server from calling services that nobody serves.
//   - Conversion webhooks of custom resources are answered in process (see package conversion). Left alone, one object of such
//     a kind makes the caches of its other versions retry about 150 times a second.
//   - Everything else it would dial inside the cluster (service and pod proxy, aggregated APIs) is refused: there is no pod or
//     service network here, and the packets would leave by the default route.
func isolate(config *apiapp.Config, convert conversion.Func) {
	refuse := func(_ context.Context, _, address string) (net.Conn, error) {
		return nil, fmt.Errorf("the lab has no cluster network (dial %s)", address)
	}
	if transport := config.KubeAPIs.ControlPlane.ProxyTransport; transport != nil {
		transport.DialContext = refuse
	}
	inner := config.ApiExtensions.ExtraConfig.AuthResolverWrapper
	config.ApiExtensions.ExtraConfig.AuthResolverWrapper = func(resolver webhook.AuthenticationInfoResolver) webhook.AuthenticationInfoResolver {
		if inner != nil {
			resolver = inner(resolver)
		}
		return &webhook.AuthenticationInfoResolverDelegator{
			ClientConfigForFunc: resolver.ClientConfigFor,
			ClientConfigForServiceFunc: func(string, string, int) (*rest.Config, error) {
				client := &rest.Config{Dial: refuse}
				client.Wrap(func(http.RoundTripper) http.RoundTripper { return conversion.Answer{Convert: convert} })
				return client, nil
			},
		}
	}
}
