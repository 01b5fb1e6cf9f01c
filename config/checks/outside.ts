/**
 * Checks of registries, proxy and bastion.
 */
import { type Check, when } from "./check.ts";

/** k3s and containerd have different names for every registry; the other's would be the name of a registry. */
export const everyRegistry: Check = ({ k3s, cluster }) => [
  ...when(k3s?.registryMirrors?.["_default"] !== undefined, () => ({
    path: "k3s.registryMirrors._default",
    problem: "is not what k3s calls every registry",
    got: "_default",
    legal: "*",
  })),
  ...when(cluster?.registryMirrors?.["*"] !== undefined, () => ({
    path: 'cluster.registryMirrors["*"]',
    problem: "is not what containerd calls every registry",
    got: "*",
    legal: "_default",
  })),
];

/** Settings of a proxy that is not there are a mistake. */
export const proxyAddresses: Check = ({ proxy }) =>
  (["noProxy", "alsoDirect"] as const).flatMap((key) =>
    when(
      proxy !== undefined &&
        proxy.http === undefined &&
        proxy.https === undefined &&
        (proxy[key]?.length ?? 0) > 0,
      () => ({
        path: `proxy.${key}`,
        problem: "has no effect without proxy.http or proxy.https",
        legal: "only with a proxy",
      }),
    ),
  );
