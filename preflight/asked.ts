/**
 * A cloud that is asked each question once, however many checks want the answer.
 */
import type { Cloud, Json } from "../openstack/cloud.ts";

/** What preflight needs of a cloud. */
export type Asked = Pick<Cloud, "get" | "scope">;

/** The cloud with its answers kept, refusals too. */
export function asked(cloud: Asked): Asked {
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
