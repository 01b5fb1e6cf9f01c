/** What is wrong with magnum.templates.list is told with its place in the list. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { templateImages, templateKubernetes, templateNames } from "../../config/checks/templates.ts";
import type { Check } from "../../config/checks/check.ts";

const image = { name: "image" };
const GOOD = { kubernetesVersion: "v1.34.8", chartVersion: "0.27.0", image };

const problems = (check: Check, list: object[]) =>
  check({
    clusterApi: { core: { version: "v1.14.0" } },
    magnum: { templates: { list: list as never } },
  }).map(({ path, problem }) => `${path}: ${problem}`);

test("different revisions are different templates, the same one is not", () => {
  assert.deepEqual(problems(templateNames, [GOOD, { ...GOOD, revision: 2 }]), []);
  assert.deepEqual(problems(templateNames, [GOOD, { ...GOOD, revision: 1 }]), [
    "magnum.templates.list[1]: has the name of another template",
  ]);
});

test("there is exactly one way to the image", () => {
  assert.deepEqual(problems(templateImages, [GOOD]), []);
  assert.deepEqual(
    problems(templateImages, [
      { ...GOOD, image: {} },
      { ...GOOD, image: { id: "x", name: "y" } },
    ]),
    [
      "magnum.templates.list[0].image: needs exactly one way to get the image",
      "magnum.templates.list[1].image: needs exactly one way to get the image",
    ],
  );
});

test("Cluster API makes clusters of Kubernetes two minors older than it runs on, and hidden ones do not count", () => {
  const of = (kubernetesVersion: string, hidden = false) => ({ ...GOOD, kubernetesVersion, hidden });
  assert.deepEqual(problems(templateKubernetes, [of("v1.31.0"), of("v1.36.0"), of("v1.30.9", true)]), []);
  assert.deepEqual(problems(templateKubernetes, [of("v1.30.9"), of("v1.37.0")]), [
    "magnum.templates.list[0].kubernetesVersion: does not go with Cluster API v1.14.0",
    "magnum.templates.list[1].kubernetesVersion: does not go with Cluster API v1.14.0",
  ]);
});
