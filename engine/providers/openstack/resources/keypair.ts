/** openstack:compute/keypair:Keypair (resource_openstack_compute_keypair_v2.go). */
import { isStatus } from "../../../../openstack/errors.ts";
import { map, region, text } from "../schema.ts";
import { jsonOf, post, some, stringsOf, textOf, within, type Kind } from "./kind.ts";
import { deleteWhenFree } from "./neutron.ts";

/** A key of another user can be named from this version on. */
const USER_VERSION = "2.10";

export const keypair: Kind = {
  token: "openstack:compute/keypair:Keypair",
  title: "keypair",
  schema: {
    region,
    name: text({ replace: true, autoname: true }),
    publicKey: text({
      computed: true,
      replace: true,
      // Nova hands the key back as it was given, but editors add and drop the last newline.
      same: (kept, wanted) => textOf(kept).trim() === textOf(wanted).trim(),
    }),
    valueSpecs: map({ replace: true }),
    userId: text({ computed: true, replace: true }),
    privateKey: text({ output: true, secret: true }),
    fingerprint: text({ output: true }),
  },

  async create(context, wanted) {
    const name = textOf(wanted["name"]);
    const userId = some(wanted["userId"]);
    const body = {
      keypair: {
        name,
        public_key: some(wanted["publicKey"]),
        user_id: userId,
        ...stringsOf(wanted["valueSpecs"]),
      },
    };
    const options = { body, ...(userId ? { microversion: USER_VERSION } : {}) };
    const lost = async (): Promise<Record<string, unknown> | undefined> => {
      // A generated private key is only told once, so only a given public key can be found again.
      if (!some(wanted["publicKey"])) return undefined;
      const found = await context.cloud.find(
        "compute",
        `/os-keypairs/${encodeURIComponent(name)}`,
        within(context),
      );
      const key = textOf(jsonOf(found?.["keypair"])["public_key"]).trim();
      return found && key === textOf(wanted["publicKey"]).trim() ? found : undefined;
    };
    const answer = await post(context, "compute", "/os-keypairs", options, lost);
    context.made(name);
    const privateKey = textOf(jsonOf(answer["keypair"])["private_key"]);
    if (privateKey) generated.set(context, privateKey);
    return name;
  },

  async read(context, id, state) {
    const userId = some(state["userId"]);
    const found = await context.cloud.find(
      "compute",
      `/os-keypairs/${encodeURIComponent(id)}`,
      within(context, userId ? { microversion: USER_VERSION, query: { user_id: userId } } : {}),
    );
    if (!found) return null;
    const pair = jsonOf(found["keypair"]);
    return {
      name: textOf(pair["name"]),
      publicKey: textOf(pair["public_key"]),
      fingerprint: textOf(pair["fingerprint"]),
      userId: textOf(pair["user_id"]),
      privateKey: generated.get(context) ?? textOf(state["privateKey"]),
    };
  },

  async remove(context, id, state) {
    const userId = some(state["userId"]);
    await deleteWhenFree(context, `keypair ${id}`, async () => {
      try {
        await context.cloud.request(
          "compute",
          "DELETE",
          `/os-keypairs/${encodeURIComponent(id)}`,
          within(context, userId ? { microversion: USER_VERSION, query: { user_id: userId } } : {}),
        );
      } catch (error) {
        if (!isStatus(error, 404)) throw error;
      }
    });
  },
};

/** Private keys that Nova generated, from a create to the read that follows it in the same operation. */
const generated = new WeakMap<object, string>();
