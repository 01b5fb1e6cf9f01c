/**
 * The runner's environment, where it would take the place of the site's credentials. Upstream analogue: gophercloud's
 * clientconfig (AuthOptions, v3auth) as terraform-provider-openstack 1.54 calls it.
 */
import type { Problem } from "./problems.ts";

/**
 * What clientconfig fills every empty field of an application credential from. With a password or a token among them
 * it authenticates with that, in whatever project they name; OS_CLOUD takes the place of all that it is given.
 */
const TAKES_OVER =
  /^OS_(USER.*|PASSWORD|TOKEN|AUTH_TOKEN|SYSTEM_SCOPE|TENANT_.*|PROJECT_.*|DOMAIN_.*|DEFAULT_DOMAIN|APPLICATION_CREDENTIAL_NAME)$/;

/** clientconfig reads an identity API of 2 as Keystone v2, which knows no application credentials. */
const OLD_IDENTITY = /^v?2/;

/**
 * Variables that would send the OpenStack provider into another project than the one that is configured; their values
 * are never told.
 *
 * @param cloud entry of clouds.yaml that the credentials come from; undefined: they stand in the configuration
 */
export function environmentProblems(
  environment: Readonly<Record<string, string | undefined>>,
  cloud: string | undefined,
): Problem[] {
  const set = Object.entries(environment).filter(([, value]) => value !== undefined && value !== "");
  const names = set
    .filter(
      ([name, value]) =>
        TAKES_OVER.test(name) ||
        (name === "OS_CLOUD" && value !== cloud) ||
        (name === "OS_IDENTITY_API_VERSION" && OLD_IDENTITY.test(value ?? "")),
    )
    .map(([name]) => name)
    .sort();
  if (names.length === 0) return [];
  const exception = cloud === undefined ? "" : `, or OS_CLOUD=${cloud}`;
  return [
    {
      path: "environment",
      problem: "would take the place of the site's application credential: resources in another project",
      got: names.join(", "),
      legal: `none of them${exception}: unset ${names.join(" ")}`,
    },
  ];
}
