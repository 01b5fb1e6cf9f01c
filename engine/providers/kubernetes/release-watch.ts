/**
 * Remembers what a release's Pods lack while helm works: when helm gives up and undoes an atomic release, they are gone,
 * and with them the reason. Upstream only has helm's "context deadline exceeded".
 */
import type { Cluster } from "./cluster.ts";
import { explainPods } from "./explain.ts";

/** Milliseconds between looks, and before the first: most releases are ready by then. */
const INTERVAL = 5_000;

interface PodWatch {
  /** What was last seen to be wrong, now or at an earlier look. */
  explain(): Promise<string[]>;
  stop(): void;
}

/** Looks at the Pods that carry helm's conventional label of the release. */
export function watchPods(cluster: Cluster, namespace: string, release: string): PodWatch {
  let last: string[] = [];
  const look = async (): Promise<void> => {
    const lines = await explainPods(cluster, namespace, `app.kubernetes.io/instance=${release}`);
    if (lines.length > 0) last = lines;
  };
  const timer = setInterval(() => void look(), INTERVAL);
  timer.unref();
  return {
    explain: async () => {
      await look();
      return last;
    },
    stop: () => clearInterval(timer),
  };
}
