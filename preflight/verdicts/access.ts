/**
 * Who we are to the cloud, and whether what is there already is ours.
 */
import type { Config } from "../../config/schema.ts";
import { type Check, fail, pass, unknown, warn } from "../check.ts";
import type { Facts } from "../facts.ts";

/** Keystone's tokens and S3's signatures both fail beyond a few minutes; certificates just made fail beyond seconds. */
const MAX_SKEW_SECONDS = 30;
const SKEW_FAILS_SECONDS = 240;

export function credentials(config: Config, { scope }: Facts): Check[] {
  const id = "credentials.valid";
  if ("error" in scope) {
    return [
      unknown(
        id,
        "accepted by Keystone",
        scope.error,
        "check the application credential in clouds.yaml or openstack.*: id, secret, expiry, authUrl, caCert",
      ),
    ];
  }
  const { methods, projectId, projectName, roles } = scope.value;
  const checks = [pass(id, "accepted by Keystone", `project ${projectName ?? "?"}`)];
  const kind = methods.includes("application_credential");
  checks.push(
    kind
      ? pass("credentials.kind", "application credential", "application credential")
      : fail(
          "credentials.kind",
          "application credential",
          methods.join(", "),
          "make one in Horizon or with openstack application credential create: Cluster API keeps a copy in the cluster",
        ),
  );
  const { projectId: wanted } = config.openstack;
  if (wanted !== undefined) {
    const same = projectId?.replaceAll("-", "") === wanted.replaceAll("-", "");
    checks.push(
      same
        ? pass("credentials.project", wanted, wanted)
        : fail(
            "credentials.project",
            wanted,
            projectId ?? "none",
            "the credential is of another project than openstack.projectId",
          ),
    );
  }
  const member = roles.some((role) => role === "member" || role === "admin");
  checks.push(
    member
      ? pass("roles.member", "member", roles.join(", "))
      : fail(
          "roles.member",
          "member",
          roles.join(", ") || "none",
          "give the user the role member on the project, then make the application credential anew",
        ),
  );
  const balancer = roles.some((role) => /^load-balancer_(member|admin)$/.test(role) || role === "admin");
  checks.push(
    balancer
      ? pass("roles.load-balancer_member", "load-balancer_member", roles.join(", "))
      : warn(
          "roles.load-balancer_member",
          "load-balancer_member",
          roles.join(", ") || "none",
          "clouds with Octavia's own policy need this role: without it load balancers cannot be made, and a delete hangs",
        ),
  );
  return checks;
}

export function clock({ clockSkew }: Facts): Check {
  const want = `within ${MAX_SKEW_SECONDS} s of the cloud`;
  if ("error" in clockSkew) return warn("clock.skew", want, clockSkew.error, "compare the clocks by hand");
  const seconds = Math.round(clockSkew.value);
  const have = `${Math.abs(seconds)} s ${seconds >= 0 ? "behind" : "ahead of"} the cloud`;
  if (Math.abs(seconds) <= MAX_SKEW_SECONDS) return pass("clock.skew", want, have);
  const judged = Math.abs(seconds) > SKEW_FAILS_SECONDS ? fail : warn;
  return judged(
    "clock.skew",
    want,
    have,
    "set this machine's clock by NTP: signatures and fresh certificates are refused otherwise",
  );
}

/**
 * Whether what bears the site's names is the site's. Nova takes a second server of a name, and Cluster API's provider
 * adopts a load balancer by its name: a new stack beside a site that somebody made otherwise would share its API.
 */
export function namesakes({ namesakes: fact, knownResources }: Facts): Check {
  const id = "names.free";
  const want = "nothing of this name, or a state that knows it";
  const hint = "openstack server list; openstack loadbalancer list";
  if ("error" in fact) return unknown(id, want, fact.error, hint);
  const names = [...fact.value.servers.map(({ name }) => name), ...fact.value.loadBalancers];
  if (names.length === 0) return pass(id, want, "nothing of this name");
  const have =
    names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
  if (knownResources === undefined || "error" in knownResources) {
    const reason = knownResources?.error.split("\n")[0] ?? "not asked";
    return warn(id, want, have, `the state cannot be read here (${reason}): make sure that it knows them`);
  }
  return knownResources.value > 0
    ? pass(id, want, `${have}; the state knows ${knownResources.value} resources`)
    : fail(
        id,
        want,
        `${have}; the state is empty`,
        "another tool's site, or a state that is lost: use another stack name or project, or restore the state (docs/recovery.md)",
      );
}

/** A key pair belongs to a user and not to the project: another user's credential does not see the machines'. */
export function keyPair({ namesakes: site, keyPair: fact }: Facts): Check {
  const id = "key-pair.visible";
  const want = "the machines' key pair visible to the credential";
  const hint =
    "make the application credential as the user who made the site (docs/credentials.md: a service user)";
  if ("error" in fact) return unknown(id, want, fact.error, hint);
  if (fact.value) return pass(id, want, "visible");
  const exists = "value" in site && site.value.servers.length > 0;
  return exists ? fail(id, want, "another user's, or gone", hint) : pass(id, want, "made by the first up");
}
