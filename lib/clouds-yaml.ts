/**
 * The cloud credentials that Cluster API's OpenStack provider reads: a clouds.yaml with one entry. Upstream analogue:
 * the values `clouds` and `cloudCACert` of the chart openstack-cluster, as azimuth-ops fills them.
 */
import { stringify } from "yaml";

export interface CloudCredentials {
  /** Identity endpoint. */
  readonly authUrl: string;
  readonly applicationCredentialId: string;
  /** Secret. */
  readonly applicationCredentialSecret: string;
  readonly region?: string;
  /** public, internal or admin. */
  readonly interface?: string;
  /** Id of the credential's project: CAPO wants it in the file although the credential implies it. */
  readonly projectId: string;
  /**
   * Certificates that signed the endpoints. They must travel inside the secret: a path in clouds.yaml is not read by
   * the controllers (CAPO #264, #1334).
   */
  readonly caCert?: string;
}

/** Data of the credentials secret: `clouds.yaml`, and `cacert` where the cloud has its own authority. */
export function cloudCredentialsSecret(cloud: CloudCredentials): Record<string, string> {
  const entry = {
    auth_type: "v3applicationcredential",
    auth: {
      auth_url: cloud.authUrl,
      application_credential_id: cloud.applicationCredentialId,
      application_credential_secret: cloud.applicationCredentialSecret,
      project_id: cloud.projectId,
    },
    ...(cloud.region === undefined ? {} : { region_name: cloud.region }),
    interface: cloud.interface ?? "public",
    identity_api_version: 3,
    verify: true,
  };
  return {
    // The chart and CAPO look for the entry `openstack`, whatever the operator's own clouds.yaml calls it.
    "clouds.yaml": stringify({ clouds: { openstack: entry } }, { lineWidth: 0 }),
    // An empty cacert makes CAPO trust nothing (CAPO #1771): leave the key out instead.
    ...(cloud.caCert === undefined ? {} : { cacert: cloud.caCert }),
  };
}
