/**
 * Tenants' clusters in the lab, made and deleted by Magnum's API.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { magnumUser } from "../../lab/consumers/magnum.ts";
import { openstack } from "./lab.ts";

/** What Magnum tells of a cluster, as far as it is looked at. */
export interface TenantCluster {
  readonly uuid: string;
  readonly status: string;
  readonly status_reason: string | null;
  readonly api_address: string | null;
  readonly coe_version: string | null;
  readonly project_id: string;
}

/** Name of the cluster that a test makes. */
const TENANT = "tenant";
/** A cluster of two machines is up after three minutes; the rest is for a busy machine. */
const PATIENCE = 6 * 60_000;

/** Asks for a cluster of one control plane machine and one worker, and answers its uuid. */
export async function askForTenant(template: string): Promise<string> {
  const magnum = await magnumUser();
  const { uuid } = await magnum.call<{ uuid: string }>("POST", "/clusters", {
    name: TENANT,
    cluster_template_id: template,
    master_count: 1,
    node_count: 1,
    // The lab's chart has no monitoring for tenants.
    labels: { monitoring_enabled: "false" },
    merge_labels: true,
  });
  return uuid;
}

/** Waits until Magnum says so; fails as soon as it says that it failed. */
export async function tenantHas(uuid: string, status: string, holds = () => true): Promise<TenantCluster> {
  const magnum = await magnumUser();
  const end = Date.now() + PATIENCE;
  for (;;) {
    const cluster = await magnum.call<TenantCluster>("GET", `/clusters/${uuid}`);
    if (cluster.status === status && holds()) return cluster;
    assert.doesNotMatch(cluster.status, /FAILED/, cluster.status_reason ?? "no reason");
    assert.ok(Date.now() < end, `${cluster.status}, not ${status}: ${cluster.status_reason}`);
    await sleep(1500);
  }
}

/** Deletes it and waits until Magnum has forgotten it. */
export async function removeTenant(uuid: string): Promise<void> {
  const magnum = await magnumUser();
  await magnum.call("DELETE", `/clusters/${uuid}`);
  for (const end = Date.now() + PATIENCE; ; await sleep(1500)) {
    const { clusters } = await magnum.call<{ clusters: TenantCluster[] }>("GET", "/clusters");
    const cluster = clusters.find((candidate) => candidate.uuid === uuid);
    if (cluster === undefined) return;
    assert.doesNotMatch(cluster.status, /FAILED/, cluster.status_reason ?? "no reason");
    assert.ok(Date.now() < end, `still ${cluster.status}`);
  }
}

/** Its servers in OpenStack. */
export function tenantServers(): { Name: string; Status: string; Image: string }[] {
  const all = openstack<{ Name: string; Status: string; Image: string }>("server", "list");
  return all.filter(({ Name }) => Name.startsWith(`${TENANT}-`));
}
