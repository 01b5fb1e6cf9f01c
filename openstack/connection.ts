/**
 * What the client needs to reach a cloud, and how a site's credentials become that. Upstream analogue: gophercloud's
 * AuthOptions.
 */
import type { Credentials } from "../config/credentials.ts";

/** Everything a connection needs. Holds secrets. */
export interface Connection {
  readonly authUrl: string;
  /** The body of Keystone's POST /auth/tokens, under `identity`, and `scope` beside it. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Default: the only region of the catalog. */
  readonly region?: string | undefined;
  readonly interface: "public" | "internal" | "admin";
  /** PEM of the only certificate authorities that are trusted. Default: the system's. */
  readonly ca?: string | undefined;
  /** Client certificate and key, PEM. Default: none. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** Default: false. */
  readonly insecure?: boolean;
  /** Service type to base URL, instead of the catalog's. */
  readonly endpoints?: Readonly<Record<string, string>>;
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
