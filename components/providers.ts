/**
 * The explicit providers. Default ones are switched off in the stack files: a resource that is given none would
 * otherwise go to whatever the runner's environment names.
 */
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider.js";
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";
import type { Credentials } from "../config/credentials.ts";
import { endingSoon, kubeconfigUncompressed } from "../lib/kubeconfig.ts";

/**
 * OpenStack with the site's application credential. What the SDK would otherwise take from the runner's environment is
 * given too, empty where it is not set: with an openrc sourced, OS_CLOUD would mix another entry of clouds.yaml in.
 */
export function openstackProvider(name: string, credentials: Credentials): openstack.Provider {
  return new openstack.Provider(name, {
    authUrl: credentials.authUrl,
    applicationCredentialId: credentials.applicationCredentialId,
    applicationCredentialSecret: pulumi.secret(credentials.applicationCredentialSecret),
    cloud: "",
    region: credentials.region ?? "",
    endpointType: credentials.interface,
    allowReauth: true,
    delayedAuth: true,
    insecure: false,
    // Takes a path or the certificates themselves; inline needs no file on the runner.
    ...(credentials.caCert === undefined ? {} : { cacertFile: credentials.caCert }),
  });
}

/** Says in time that a copy of a kubeconfig must be read anew. Not the program's to do: what it asks for never depends on the day. */
async function warnOfEnd(cluster: string, kubeconfig: string): Promise<string> {
  const end = endingSoon(kubeconfig, new Date());
  if (end !== undefined) {
    await pulumi.log.warn(
      `the copy of ${cluster}'s kubeconfig ends on ${end}: raise kubeconfigs.rotation, and it is read anew`,
    );
  }
  return kubeconfig;
}

/**
 * A Kubernetes cluster.
 *
 * @param kubeconfig content, not a path; secret
 * @param identity stays the same for the cluster's life: with it on both sides a new address, user or certificate in
 *   the kubeconfig never replaces what is deployed (pulumi-kubernetes #2745)
 */
export function clusterProvider(
  name: string,
  kubeconfig: pulumi.Input<string>,
  identity: string,
): KubernetesProvider {
  return new KubernetesProvider(name, {
    kubeconfig: pulumi
      .secret(kubeconfig)
      .apply((copy) => warnOfEnd(identity, copy))
      .apply(kubeconfigUncompressed),
    clusterIdentifier: identity,
    enableServerSideApply: true,
    // Otherwise a new credential replaces its Secret, which a protected cluster refuses, and Cluster API misses it meanwhile.
    enableSecretMutable: true,
  });
}
