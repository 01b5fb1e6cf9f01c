/**
 * The explicit providers. Default ones are switched off in the stack files: a resource that is given none would
 * otherwise go to whatever the runner's environment names.
 */
import * as k8s from "@pulumi/kubernetes";
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";
import type { Credentials } from "../config/credentials.ts";

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
): k8s.Provider {
  return new k8s.Provider(name, {
    kubeconfig: pulumi.secret(kubeconfig),
    clusterIdentifier: identity,
    enableServerSideApply: true,
  });
}
