/**
 * Magnum's cluster templates for the driver magnum-capi-helm, which is chosen by server_type vm, os_distro ubuntu (of
 * the image) and coe kubernetes. Upstream analogue: openstack-config's magnum-capi-templates.j2.
 */

/** Labels of a template: openstack-config's, and the site's over them. */
export function templateLabels(
  chartVersion: string,
  loadBalancerProvider: string,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    monitoring_enabled: "true",
    kube_dashboard_enabled: "true",
    keystone_auth_enabled: "false",
    octavia_provider: loadBalancerProvider,
    ...more,
    // Not the site's to set here: it is in the name.
    capi_helm_chart_version: chartVersion,
  };
}

/** Glance properties that the driver and Magnum read from a template's image. */
export function imageProperties(kubernetesVersion: string): Record<string, string> {
  return { os_distro: "ubuntu", kube_version: `v${kubernetesVersion.replace(/^v/, "")}` };
}
