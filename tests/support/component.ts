/**
 * Builds one component under mocks, with explicit providers, in both modes.
 */
import { test } from "node:test";
import * as k8s from "@pulumi/kubernetes";
import * as openstack from "@pulumi/openstack";
import type * as pulumi from "@pulumi/pulumi";
import type { Connection } from "../../components/connection.ts";
import { nameOf } from "../../plan/urn.ts";
import { PLANTED, record, type Recording } from "./mocks.ts";

/** The value of an output; hangs if it is unknown, so only for update mode. */
export function valueOf<T>(output: pulumi.Output<T> | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (output === undefined) return reject(new Error("there is no such output"));
    output.apply((value) => resolve(value));
  });
}

/**
 * Names of the resources that an output waits for. Its value does not tell: most providers answer an input as it was
 * given, whether it comes from what was made of it or from before that.
 */
export async function waitsFor(output: pulumi.Output<unknown> | undefined): Promise<string[]> {
  // What the SDK itself reads an input's dependencies from; not declared.
  const { allResources } = output as unknown as { allResources: () => Promise<Set<pulumi.Resource>> };
  const urns = [...(await allResources())].map(({ urn }) => valueOf(urn));
  return (await Promise.all(urns)).map((urn) => nameOf(String(urn))).sort();
}

/** Component options with one provider of each kind. */
export function providers(): pulumi.ComponentResourceOptions {
  return {
    providers: {
      openstack: new openstack.Provider("cloud", {}),
      kubernetes: new k8s.Provider("cluster", {}),
    },
  };
}

/** A connection as components get it. */
export const CONNECTION: Connection = {
  host: "203.0.113.102",
  user: "ubuntu",
  privateKey: PLANTED.privateKey,
};

/** Runs a check of what is registered in an update and in a preview. */
export function inBothModes(
  name: string,
  check: (build: { recording: Recording; preview: boolean }) => Promise<void>,
): void {
  for (const preview of [false, true]) {
    test(`${name} (${preview ? "preview" : "update"})`, async () => {
      await check({ recording: await record({ preview }), preview });
    });
  }
}
