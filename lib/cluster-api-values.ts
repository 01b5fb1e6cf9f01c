/**
 * Values of the charts beside Cluster API: cert-manager, addon provider, janitor. Upstream analogue: the
 * `*_release_defaults` of azimuth-ops roles certmanager and clusterapi.
 */
import type { ClusterApiConfig } from "../config/schema.ts";

/** Kept on uninstall: with the CRDs would go every certificate, and with those every webhook. */
export const certManagerValues = { crds: { enabled: true, keep: true } } as const;

/** The chart's own. */
export const addonProviderValues = {} as const;

export function janitorValues({ janitor }: Pick<ClusterApiConfig, "janitor">) {
  return { defaultVolumesPolicy: janitor.defaultVolumesPolicy, retryDefaultDelay: janitor.retrySeconds };
}
