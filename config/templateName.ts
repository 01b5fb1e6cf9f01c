/**
 * The name of a Magnum cluster template, which the configuration must not give twice. Upstream analogue:
 * openstack-config's magnum-capi-templates.j2.
 */

export interface TemplateReleases {
  /** With or without v. */
  readonly kubernetesVersion: string;
  readonly chartVersion: string;
  /** Default: 1. */
  readonly revision?: number | undefined;
}

/**
 * Name of a template. A template that clusters use cannot be changed (terraform-provider-openstack #949), so whatever
 * differs has a name of its own.
 */
export function templateName({ kubernetesVersion, chartVersion, revision }: TemplateReleases): string {
  const suffix = revision === undefined || revision === 1 ? "" : `-${revision}`;
  return `kubernetes-v${kubernetesVersion.replace(/^v/, "")}-chart-${chartVersion}${suffix}`;
}
