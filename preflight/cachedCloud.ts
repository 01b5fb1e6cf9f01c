/**
 * A cloud that gets each question once, however many checks want the answer.
 */
import type { Cloud, Json } from "../openstack/cloud.ts";

/** What preflight needs of a cloud. */
export type CloudReader = Pick<Cloud, "get" | "scope">;

/** The cloud with its answers cached, refusals too. */
export function cachedCloud(cloud: CloudReader): CloudReader {
  const answers = new Map<string, Promise<Json>>();
  return {
    scope: () => cloud.scope(),
    get: (service, path, options) => {
      const question = JSON.stringify([service, path, options]);
      const answer = answers.get(question) ?? cloud.get(service, path, options);
      answers.set(question, answer);
      return answer;
    },
  };
}
