/** Variables of this process's environment, for one test. */
import type { TestContext } from "node:test";

/** Sets variables, or takes them away where undefined; after the test they are as before. */
export function setEnvironment(
  context: TestContext,
  values: Readonly<Record<string, string | undefined>>,
): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name];
    context.after(() => assign(name, before));
    assign(name, value);
  }
}

function assign(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
