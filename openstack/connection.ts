/**
 * What the client needs to reach a cloud, and how a site's credentials become that. Upstream analogue: gophercloud's
 * AuthOptions.
 */
import type { Credentials } from "../config/credentials.ts";

/** Everything a connection needs. Holds secrets. */
export interface Connection {
  readonly authUrl: string;
  /** The body of Keystone's POST /auth/tokens, under `identity`. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Default: any of the catalog. */
  readonly region?: string | undefined;
  readonly interface: "public" | "internal" | "admin";
  /** PEM of the only certificate authorities that are trusted. Default: the system's. */
  readonly ca?: string | undefined;
}

/** The connection that a site's application credential gives. */
export function connectionOf(credentials: Credentials): Connection {
  const { authUrl, applicationCredentialId: id, applicationCredentialSecret: secret } = credentials;
  return {
    authUrl: authUrl.replace(/\/+$/, ""),
    identity: { methods: ["application_credential"], application_credential: { id, secret } },
    region: credentials.region,
    interface: credentials.interface,
    ca: credentials.caCert,
  };
}
