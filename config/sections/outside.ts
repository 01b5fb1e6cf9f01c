/**
 * Sections registries and proxy: how the site's machines reach container registries and what is outside the cloud.
 * Upstream analogue: the values registryAuth and trustedCAs of openstack-cluster; azimuth-ops has no proxy settings.
 */
import { z } from "zod";
import { httpUrl, line, noProxyList, pem } from "../formats.ts";

/** A registry by host, as a mirror's URL names it. */
const registryHost = z.string().regex(/^[a-z0-9.-]+(:\d+)?$/i);

export const registries = z.strictObject({
  caCert: pem.optional().meta({
    description:
      "Certificates that signed registries and their mirrors, inline; the seed and the cluster's machines trust them beside the public ones.",
  }),
  auth: z
    .record(
      registryHost,
      z.strictObject({
        username: line.meta({ description: "User at that registry." }),
        password: line.meta({ description: "Password or token of that user.", secret: true }),
      }),
    )
    .meta({
      description:
        "What the seed and the cluster's machines log in to registries with, by host. A change reaches machines that are made after it.",
      legal: "a map of registry host to {username, password}",
    }),
});

export const proxy = z.strictObject({
  http: httpUrl.optional().meta({
    description: "Proxy for http:// addresses: seed, containerd of all machines, controllers, preflight.",
  }),
  https: httpUrl.optional().meta({ description: "Proxy for https:// addresses, for the same." }),
  noProxy: noProxyList.optional().meta({
    description:
      "What is reached directly. Without it private addresses, the site's own networks and names, the identity endpoint's host and the mirror's.",
  }),
  alsoDirect: noProxyList.meta({
    description:
      "Further addresses reached directly, such as the network that the cluster's floating IPs are in, if it is public.",
  }),
});
