/**
 * The openstack provider's requests, and how it takes what goes wrong, against a pretended cloud.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { factory } from "../../engine/providers/openstack/index.ts";
import type { Properties, Provider } from "../../engine/provider.ts";
import { PretendedCloud } from "./providers-openstack-cloud.ts";

const noOpenssl =
  spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl to make a certificate with";
const NETWORK = "openstack:networking/network:Network";
const INSTANCE = "openstack:compute/instance:Instance";
const VOLUME = "openstack:blockstorage/volume:Volume";
const IMAGE = "openstack:images/image:Image";
const server = { name: "srv", flavorId: "f1", imageId: "i1", networks: [{ port: "p1" }] };

describe("the openstack provider", () => {
  let cloud: PretendedCloud;
  let provider: Provider;
  const logged: string[] = [];
  const asked = (type: string, rest: { timeoutSeconds?: number; signal?: AbortSignal } = {}) => ({
    urn: `urn:pulumi:test::p::${type}::thing`,
    type,
    preview: false,
    signal: new AbortController().signal,
    log: (message: string) => void logged.push(message),
    ...rest,
  });
  const create = (type: string, inputs: Properties, rest = {}) =>
    provider.create({ ...asked(type, rest), inputs });
  const remove = (type: string, id: string, outputs: Properties = {}, rest = {}) =>
    provider.delete({ ...asked(type, rest), id, inputs: {}, outputs });
  const server500 = (message: string) => ({ status: 500, body: { computeFault: { code: 500, message } } });

  beforeEach(async () => {
    cloud = new PretendedCloud();
    await cloud.start();
    provider = factory();
    await provider.configure(cloud.settings);
    logged.length = 0;
  });
  afterEach(async () => {
    await provider.close?.();
    await cloud.stop();
  });

  test("a network: the body, the tags, what is read; one token for all", async () => {
    const inputs = { name: "net", mtu: 1400, tags: ["b", "a"], adminStateUp: true };
    const made = await create(NETWORK, inputs);
    const [post] = cloud.sent("POST", "/networks");
    assert.deepEqual(post?.body, { network: { name: "net", mtu: 1400, admin_state_up: true } });
    assert.deepEqual(cloud.sent("PUT", "/tags")[0]?.body, { tags: ["b", "a"] });
    assert.equal(made.outputs["name"], "net");
    assert.deepEqual(made.outputs["allTags"], ["a", "b"]);
    assert.equal(made.outputs["region"], "RegionOne");
    assert.equal(cloud.tokens, 1);
    const login = cloud.sent("POST", "/auth/tokens")[0]?.body;
    assert.deepEqual(login, {
      auth: {
        identity: {
          methods: ["application_credential"],
          application_credential: { id: "id", secret: "the-secret" },
        },
      },
    });
  });

  test("many requests at once log in once; an expired token is renewed once", async () => {
    const names = Array.from({ length: 8 }, (_, index) => `n${index}`);
    await Promise.all(names.map((name) => create(NETWORK, { name })));
    assert.equal(cloud.tokens, 1);
    cloud.valid = "expired";
    await Promise.all(names.map((name) => create(NETWORK, { name })));
    assert.ok(cloud.tokens <= 3, `${cloud.tokens} log-ins`);
    assert.equal(cloud.objects.size, 16);
  });

  test("503, 429 and a service that is not up yet are tried again", async () => {
    let refusals = 3;
    cloud.fault = ({ method }) =>
      method === "POST" && refusals-- > 0
        ? { status: refusals % 2 ? 429 : 503, headers: { "retry-after": "0.05" } }
        : undefined;
    await create(NETWORK, { name: "net" });
    assert.equal(cloud.objects.size, 1);
    const { port } = new URL(cloud.address);
    await cloud.stop();
    const reading = provider.invoke("openstack:networking/getNetwork:getNetwork", { name: "net" });
    setTimeout(() => void cloud.start(Number(port)), 400);
    assert.equal((await reading)["name"], "net");
  });

  test("an object whose answer was lost is found and not made twice", async () => {
    let lose = 1;
    cloud.fault = ({ method, path }) =>
      method === "POST" && path.endsWith("/networks") && lose-- > 0 ? "lose" : undefined;
    const made = await create(NETWORK, { name: "net" });
    assert.equal(cloud.objects.size, 1);
    assert.ok(cloud.objects.has(`/network/v2.0/networks/${made.id}`));
    assert.equal(cloud.sent("POST", "/networks").length, 1);
  });

  test("a refusal names the resource, the service, its words and the request", async () => {
    cloud.fault = ({ method }) =>
      method === "POST"
        ? {
            status: 403,
            body: {
              forbidden: {
                code: 403,
                message: "Quota exceeded for cores: Requested 2, but already used 10 of 10 cores",
              },
            },
          }
        : undefined;
    provider = factory();
    await provider.configure({ ...cloud.settings, token: "" });
    await assert.rejects(
      create(NETWORK, { name: "net" }),
      /creating network "thing" failed: Keystone answered 403 to POST \/auth\/tokens: Quota exceeded/,
    );
    cloud.fault = ({ method, path }) =>
      method === "POST" && path.endsWith("/servers")
        ? { status: 403, body: { forbidden: { code: 403, message: "Quota exceeded for cores" } } }
        : undefined;
    await assert.rejects(create(INSTANCE, server), {
      message:
        'creating compute instance "thing" failed: Nova answered 403 to POST /servers: Quota exceeded for cores (request req-1)',
    });
  });

  test("a server: the body, microversions only where needed, the hash of its user data", async () => {
    const made = await create(INSTANCE, {
      ...server,
      userData: "#cloud-config\n",
      keyPair: "k",
      metadata: { a: "1" },
      securityGroups: ["default"],
      schedulerHints: [{ group: "g" }],
      powerState: "active",
    });
    const [post] = cloud.sent("POST", "/servers");
    assert.deepEqual(post?.body, {
      server: {
        name: "srv",
        imageRef: "i1",
        flavorRef: "f1",
        networks: [{ port: "p1" }],
        security_groups: [{ name: "default" }],
        metadata: { a: "1" },
        key_name: "k",
        user_data: Buffer.from("#cloud-config\n").toString("base64"),
      },
      "os:scheduler_hints": { group: "g" },
    });
    assert.equal(post?.headers["openstack-api-version"], undefined);
    assert.equal(made.outputs["userData"], createHash("sha1").update("#cloud-config\n").digest("hex"));
    await create(INSTANCE, { ...server, tags: ["t"] });
    assert.equal(cloud.sent("POST", "/servers").at(-1)?.headers["openstack-api-version"], "compute 2.52");
    const blockDevices = [
      {
        sourceType: "image",
        uuid: "i1",
        destinationType: "volume",
        volumeSize: 20,
        volumeType: "ssd",
        deleteOnTermination: true,
      },
    ];
    await create(INSTANCE, { name: "srv", flavorId: "f1", blockDevices });
    const booted = cloud.sent("POST", "/servers").at(-1);
    assert.equal(booted?.headers["openstack-api-version"], "compute 2.67");
    assert.deepEqual(booted.body["server"], {
      name: "srv",
      flavorRef: "f1",
      block_device_mapping_v2: [
        {
          source_type: "image",
          uuid: "i1",
          volume_size: 20,
          destination_type: "volume",
          boot_index: 0,
          delete_on_termination: true,
          volume_type: "ssd",
        },
      ],
    });
  });

  test("a server that ends in ERROR is told with Nova's fault and deleted again", async () => {
    cloud.shape = (_path, object) => ({
      ...object,
      status: "ERROR",
      fault: { code: 500, message: "No valid host was found." },
    });
    await assert.rejects(create(INSTANCE, server), (error: Error) =>
      /creating compute instance "thing" failed: server \S+ went into status ERROR: No valid host was found. \(code 500\). It was deleted again, so a re-run makes it anew/.test(
        error.message,
      ),
    );
    assert.equal(cloud.objects.size, 0);
  });

  test("a server that is not up in time is kept as it is, and the next run waits for it instead of making another", async () => {
    cloud.shape = (_path, object) => ({ ...object, status: "BUILD", "OS-EXT-STS:task_state": "spawning" });
    const made = await create(INSTANCE, server, { timeoutSeconds: 0.3 });
    assert.match(
      made.partial?.reason ?? "",
      /waited 0.3 s for server \S+ to become ACTIVE; last seen: status BUILD, task spawning. It is kept as /,
    );
    const object = cloud.objects.get(`/compute/servers/${made.id}`);
    setTimeout(() => Object.assign(object ?? {}, { status: "ACTIVE", "OS-EXT-STS:task_state": null }), 200);
    const settled = await provider.update({
      ...asked(INSTANCE),
      id: made.id,
      oldInputs: server,
      oldOutputs: made.outputs,
      newInputs: server,
    });
    assert.equal(settled.partial, undefined);
    assert.equal(settled.outputs["powerState"], "active");
    assert.equal(cloud.sent("POST", "/servers").length, 1);
  });

  test("an interrupt while waiting keeps what was made", async () => {
    cloud.shape = (_path, object) => ({ ...object, status: "BUILD" });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 150);
    const made = await create(INSTANCE, server, { signal: controller.signal });
    assert.ok(made.partial);
    assert.ok(cloud.objects.has(`/compute/servers/${made.id}`));
  });

  test("a failed update records what was changed before it failed", async () => {
    const made = await create(NETWORK, { name: "net" });
    cloud.fault = ({ path }) => (path.endsWith("/tags") ? server500("no tags today") : undefined);
    const updated = await provider.update({
      ...asked(NETWORK),
      id: made.id,
      oldInputs: { name: "net" },
      oldOutputs: made.outputs,
      newInputs: { name: "renamed", tags: ["t"] },
    });
    assert.match(
      updated.partial?.reason ?? "",
      /updating network "thing" failed: Neutron answered 500 .*no tags today/,
    );
    assert.equal(updated.outputs["name"], "renamed");
  });

  test("delete waits while the object is in use, says so once, and takes 404 for success", async () => {
    const made = await create(NETWORK, { name: "net" });
    let busy = 3;
    cloud.fault = ({ method }) =>
      method === "DELETE" && busy-- > 0
        ? {
            status: 409,
            body: {
              NeutronError: { message: "There are one or more ports still in use.", type: "NetworkInUse" },
            },
          }
        : undefined;
    await remove(NETWORK, made.id);
    assert.equal(cloud.objects.size, 0);
    assert.equal(cloud.sent("DELETE", made.id).length, 4);
    assert.deepEqual(logged, [
      `waiting to delete network ${made.id}: There are one or more ports still in use.`,
    ]);
    await remove(NETWORK, made.id);
    busy = 1e9;
    const other = await create(NETWORK, { name: "other" });
    await assert.rejects(
      remove(NETWORK, other.id, {}, { timeoutSeconds: 0.3 }),
      /deleting network "thing" failed: waited 0.3 s for network \S+ to be free; last seen: There are one or more ports/,
    );
  });

  test("a gone object reads as null", async () => {
    const request = { urn: "", id: "absent", inputs: {}, outputs: {}, signal: new AbortController().signal };
    for (const type of [NETWORK, INSTANCE, VOLUME, IMAGE]) {
      assert.equal(await provider.read({ ...request, type }), null);
    }
  });

  test("a volume in error is told with Cinder's messages and deleted again; a growing one uses the online version", async () => {
    cloud.shape = (_path, object) => ({ ...object, status: "error" });
    cloud.fault = ({ path }) =>
      path.endsWith("/messages")
        ? {
            status: 200,
            body: { messages: [{ user_message: "schedule allocate volume: no backend has room" }] },
          }
        : undefined;
    await assert.rejects(
      create(VOLUME, { name: "v", size: 1 }),
      /volume \S+ went into status error: schedule allocate volume: no backend has room. It was deleted again/,
    );
    assert.equal(cloud.objects.size, 0);
    cloud.shape = (_path, object) => object;
    const inputs = { name: "v", size: 1, enableOnlineResize: true };
    const made = await create(VOLUME, inputs);
    const object = cloud.objects.get(`/volume/v3/volumes/${made.id}`) ?? {};
    Object.assign(object, { status: "in-use" });
    cloud.fault = ({ path }) => {
      if (path.endsWith("/action")) object["size"] = 2;
      return undefined;
    };
    await provider.update({
      ...asked(VOLUME),
      id: made.id,
      oldInputs: inputs,
      oldOutputs: made.outputs,
      newInputs: { ...inputs, size: 2 },
    });
    const [action] = cloud.sent("POST", "/action");
    assert.deepEqual(action?.body, { "os-extend": { new_size: 2 } });
    assert.equal(action.headers["openstack-api-version"], "volume 3.42");
  });

  test("an image is uploaded and its checksum compared; a wrong one leaves nothing behind", async () => {
    const folder = mkdtempSync(join(tmpdir(), "image-"));
    try {
      const localFilePath = join(folder, "image.raw");
      writeFileSync(localFilePath, "content");
      const checksum = createHash("md5").update("content").digest("hex");
      const inputs = {
        name: "img",
        containerFormat: "bare",
        diskFormat: "raw",
        visibility: "private",
        localFilePath,
      };
      cloud.shape = (_path, object) => ({ ...object, checksum });
      const made = await create(IMAGE, { ...inputs, properties: { os_distro: "ubuntu" } });
      assert.deepEqual(made.outputs["properties"], { os_distro: "ubuntu" });
      assert.equal(cloud.sent("PUT", "/file")[0]?.headers["content-length"], "7");
      cloud.shape = (_path, object) => ({ ...object, checksum: "other" });
      await assert.rejects(
        create(IMAGE, inputs),
        new RegExp(`Glance stored the checksum other, the file has ${checksum}. It was deleted again`),
      );
      assert.equal(cloud.objects.size, 1);
      cloud.shape = (_path, object) => object;
      const web = {
        name: "web",
        containerFormat: "bare",
        diskFormat: "qcow2",
        webDownload: true,
        imageSourceUrl: "https://example.org/i",
      };
      await create(IMAGE, web);
      assert.deepEqual(cloud.sent("POST", "/import")[0]?.body, {
        method: { name: "web-download", uri: "https://example.org/i" },
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test(
    "a certificate authority of the site's own, as a file, as PEM, or not at all",
    { skip: noOpenssl },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "tls-"));
      try {
        const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
        const subject = ["-subj", "/CN=site", "-addext", "subjectAltName=IP:127.0.0.1"];
        const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
        execFileSync("openssl", ["req", "-x509", ...kind, "-keyout", keyFile, "-out", certFile, ...subject], {
          stdio: "pipe",
        });
        const [key, cert] = [readFileSync(keyFile, "utf8"), readFileSync(certFile, "utf8")];
        await cloud.stop();
        await cloud.start(0, { key, cert });
        const ways: Properties[] = [{ cacertFile: certFile }, { cacertFile: cert }, { insecure: "true" }];
        for (const trusted of ways) {
          const secure = factory();
          await secure.configure({ ...cloud.settings, ...trusted });
          await secure.create({ ...asked(NETWORK), inputs: { name: "net" } });
          await secure.close?.();
        }
        const started = Date.now();
        provider = factory();
        await provider.configure(cloud.settings);
        await assert.rejects(
          create(NETWORK, { name: "net" }),
          /creating network "thing" failed: Keystone at 127.0.0.1:\d+ did not answer POST \/identity\/v3\/auth\/tokens: .*self-signed certificate/,
        );
        assert.ok(Date.now() - started < 2000, "a wrong certificate is not tried again");
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  test("what is not implemented is refused by name", async () => {
    await assert.rejects(
      create("openstack:loadbalancer/listener:Listener", {}),
      /does not implement openstack:loadbalancer\/listener:Listener/,
    );
    await assert.rejects(
      provider.invoke("openstack:dns/getDnsZone:getDnsZone", {}),
      /does not implement openstack:dns\/getDnsZone/,
    );
  });
});
