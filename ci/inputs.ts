/**
 * The values that the program gives its resources, seen within the program's own process: the engine's events have no
 * secrets, and a fingerprint must cover them too. Only keyed digests leave this module.
 *
 * The key is derived from the application credential's secret and the stack's name: every job of a site has it, whatever
 * the secrets provider, and without it nobody can try out values against a digest that stands in a note. A passphrase
 * would be the weaker choice: it could itself be guessed from such a digest.
 */
import { createHmac, hkdfSync } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { PulumiFn } from "@pulumi/pulumi/automation/index.js";
import { STACK_TYPE } from "../automation/steps.ts";
import { loadForProgram } from "../config/program.ts";

/** Where a value is within a resource's inputs: names of properties and indices. */
export type Path = readonly (string | number)[];

/** The inputs of every resource that a run of the program asked for. */
export interface ProgramInputs {
  /** Paths of the values that the run did not know. */
  unknown(urn: string): Path[];
  /**
   * Keyed digest of a resource's inputs, those at the paths `without` left out.
   *
   * @throws Error for a resource that the program did not ask for
   */
  digest(urn: string, without: readonly Path[]): string;
}

/** Watches a program. */
export class InputWatcher implements ProgramInputs {
  readonly #inputs = new Map<string, unknown>();
  #key: Buffer | undefined;

  /** The program, watched: what it does is the same. */
  watch(program: PulumiFn): PulumiFn {
    return async () => {
      const stack = pulumi.getStack();
      const values = pulumi.runtime.allConfig();
      pulumi.runtime.registerStackTransformation(({ resource, name, props }) => {
        // What goes wrong here goes wrong with the registration too, which reports it.
        this.#see(resource, name, props).catch(() => undefined);
        return undefined;
      });
      const outputs = await program();
      // After the program, which reports a wrong configuration in full.
      const { credentials } = loadForProgram({ stack, values });
      this.#key = approvalKey(credentials.applicationCredentialSecret, stack);
      return outputs;
    };
  }

  unknown(urn: string): Path[] {
    return unknownPaths(this.#of(urn));
  }

  digest(urn: string, without: readonly Path[]): string {
    if (this.#key === undefined) throw new Error(`${urn}: the program did not come to its end`);
    return keyedDigest(this.#key, this.#of(urn), without);
  }

  async #see(resource: pulumi.Resource, name: string, props: pulumi.Inputs): Promise<void> {
    const inputs = await pulumi.runtime.serializeProperties(name, props);
    // Only now: a resource that is being constructed has no URN yet.
    const urn = await new Promise<string>((resolve) => resource.urn.apply(resolve));
    this.#inputs.set(urn, plain(inputs));
  }

  #of(urn: string): unknown {
    const inputs = this.#inputs.get(urn);
    if (inputs !== undefined) return inputs;
    if (urn.includes(`::${STACK_TYPE}::`)) return {};
    throw new Error(`${urn}: its values are not known, so that nobody can approve them`);
  }
}

/** The key of a stack's digests (HKDF-SHA256). */
export function approvalKey(secret: string, stack: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", `capi-mgmt approval of ${stack}`, 32));
}

/** HMAC-SHA256 of a value, whatever the order of its keys. */
export function keyedDigest(key: Buffer, value: unknown, without: readonly Path[]): string {
  const rest = without.reduce<unknown>((left, path) => leftOut(left, path), value);
  return createHmac("sha256", key)
    .update(JSON.stringify(sorted(rest)))
    .digest("hex");
}

/** Paths of the values that stand for what is not known yet. */
export function unknownPaths(value: unknown, path: Path = []): Path[] {
  if (value === pulumi.runtime.unknownValue) return [path];
  if (Array.isArray(value)) return value.flatMap((item, index) => unknownPaths(item, [...path, index]));
  if (!isMap(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => unknownPaths(item, [...path, key]));
}

/** As the program meant it: a secret is its value, and a reference to a resource the resource's URN. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isMap(value)) return value;
  const signature = value[pulumi.runtime.specialSigKey];
  if (signature === pulumi.runtime.specialSecretSig) return plain(value["value"]);
  if (signature === pulumi.runtime.specialResourceSig) return value["urn"];
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

/** The value without what is at a path; an item of a list leaves its place. */
function leftOut(value: unknown, [key, ...rest]: Path): unknown {
  if (key === undefined) return null;
  if (Array.isArray(value))
    return value.map((item: unknown, index) => (index === key ? leftOut(item, rest) : item));
  if (!isMap(value)) return value;
  const { [key]: inner, ...others } = value;
  return rest.length === 0 || inner === undefined ? others : { ...others, [key]: leftOut(inner, rest) };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
