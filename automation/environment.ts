/**
 * The environment that the CLI, the plugins and the program have during a run: Pulumi's Automation API hands on this process's.
 */

/**
 * Of the CLI and the plugins, which are Go. In a preview they live for seconds, and Go collects garbage each time their memory has doubled: at
 * five times a preview of the lab's stack takes 4.8 s where it took 5.6. From 1 GiB on each is as thrifty as ever.
 */
const collector = { GOGC: "400", GOMEMLIMIT: "1GiB" } as const;

/**
 * Adds to this process's environment; the answer takes it away again.
 * @param env wins over what is there, which wins over the collector's settings
 */
export function enterEnvironment(env: Readonly<Record<string, string>> = {}): () => void {
  const absent = Object.entries(collector).filter(([name]) => process.env[name] === undefined);
  const added = { ...Object.fromEntries(absent), ...env };
  const before = Object.keys(added).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, added);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
