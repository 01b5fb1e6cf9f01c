import assert from "node:assert/strict";
import { test } from "node:test";
import { cachedCloud } from "../../preflight/cachedCloud.ts";

void test("each question is asked once, and a refusal is everybody's", async () => {
  const questions: string[] = [];
  const cloud = cachedCloud({
    scope: () => Promise.reject(new Error("not asked here")),
    get: (service, path, options) => {
      questions.push([service, path, JSON.stringify(options)].join(" "));
      return path === "/limits" ? Promise.reject(new Error("503")) : Promise.resolve({ path });
    },
  });
  const project = { query: { project_id: "p" } };
  const answers = await Promise.all([
    cloud.get("network", "/subnets", project),
    cloud.get("network", "/subnets", { ...project }),
    cloud.get("network", "/subnets"),
    cloud.get("compute", "/servers/detail", { microversion: "2.47" }),
  ]);
  assert.deepEqual(
    answers.map(({ path }) => path),
    ["/subnets", "/subnets", "/subnets", "/servers/detail"],
  );
  for (let time = 0; time < 2; time += 1)
    await assert.rejects(cloud.get("volume", "/limits"), { message: "503" });
  assert.deepEqual(questions, [
    'network /subnets {"query":{"project_id":"p"}}',
    "network /subnets ",
    'compute /servers/detail {"microversion":"2.47"}',
    "volume /limits ",
  ]);
});
