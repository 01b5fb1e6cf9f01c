/**
 * Sections openstack and mirror: where the cloud and the releases are. Upstream analogue: clouds.yaml of an
 * azimuth-config environment and the URL variables of azimuth-ops.
 */
import { z } from "zod";
import { choice, httpUrl, line, pem, uuid } from "../formats.ts";

export const openstack = z.strictObject({
  cloud: line.meta({
    description: "Entry of clouds.yaml that holds the application credential.",
  }),
  authUrl: httpUrl.optional().meta({
    description: "Identity endpoint. Set it with the application credential below to do without clouds.yaml.",
  }),
  applicationCredentialId: uuid.optional().meta({ description: "Id of the application credential." }),
  applicationCredentialSecret: line.optional().meta({
    description: "Secret of the application credential.",
    secret: true,
  }),
  region: line
    .optional()
    .meta({ description: "Region. Without it what clouds.yaml says, else the only one." }),
  projectId: uuid.optional().meta({
    description: "Id of the credential's project, written into the cluster's credentials.",
  }),
  interface: choice("public", "internal", "admin").optional().meta({
    description: "Which endpoints to use. Without it what clouds.yaml says, else public.",
  }),
  caCert: pem.optional().meta({
    description:
      "Certificates that signed the OpenStack endpoints, inline. Without it the cacert file of clouds.yaml, else the system's.",
  }),
});

export const mirror = z.strictObject({
  url: httpUrl.optional().meta({
    description:
      "Base URL of a mirror of everything downloaded: <url>/<upstream host>/<upstream path>. Without it upstream itself.",
  }),
  caCert: pem.optional().meta({ description: "Certificates that signed the mirror, inline." }),
});
