/**
 * Answers of the cloud, parsed: a field that is missing or of another kind is an error that names it, and not an
 * `undefined` that passes for a verdict. Only what preflight reads is asked of an answer.
 */
import { z } from "zod";
import type { RequestOptions, Service } from "../openstack/cloud.ts";
import { CloudError } from "../openstack/errors.ts";
import type { CloudReader } from "./cachedCloud.ts";

/**
 * One answer.
 *
 * @throws CloudError or ConnectionError as the cloud has it; Error when the answer is not what the API promises
 */
export async function answer<T>(
  cloud: CloudReader,
  service: Service,
  path: string,
  schema: z.ZodType<T>,
  options: RequestOptions = {},
): Promise<T> {
  const result = schema.safeParse(await cloud.get(service, path, options));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "the answer" : issue.path.join(".");
  throw new Error(
    `${service} answered GET ${path} with something else than its API promises: ${where}: ${issue?.message ?? ""}`,
  );
}

/** As `answer`, undefined where there is no such object. */
export async function find<T>(
  cloud: CloudReader,
  service: Service,
  path: string,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  try {
    return await answer(cloud, service, path, schema);
  } catch (error) {
    if (error instanceof CloudError && error.status === 404) return undefined;
    throw error;
  }
}

const id = z.string();
const name = z
  .string()
  .nullish()
  .transform((text) => text ?? "");
const named = z.object({ id, name });

/** A number that a cloud may leave out. */
const optionalNumber = z
  .number()
  .nullish()
  .transform((value) => value ?? undefined);

export const flavors = z.object({
  flavors: z.array(z.object({ id, name: z.string(), vcpus: z.number(), ram: z.number(), disk: z.number() })),
});

const image = z.object({ id, name, status: z.string(), min_disk: optionalNumber });
export const images = z.object({ images: z.array(image) });
export { image };

export const network = z.object({
  network: z.object({ name, "router:external": z.boolean().nullish() }),
});

export const subnets = z.object({
  subnets: z.array(z.object({ id, name, network_id: id, cidr: z.string(), ip_version: z.number() })),
});

export const ports = z.object({
  ports: z.array(z.object({ id, network_id: id, device_id: name })),
});

export const routers = z.object({ routers: z.array(named) });

export const router = z.object({
  router: z.object({
    name,
    external_gateway_info: z
      .object({ external_fixed_ips: z.array(z.object({ ip_address: z.string() })).nullish() })
      .nullish(),
  }),
});

export const networks = z.object({ networks: z.array(named) });
export const floatingIps = z.object({
  floatingips: z.array(z.object({ id, port_id: id.nullish() })),
});
export const securityGroups = z.object({ security_groups: z.array(named) });
export const securityGroupRules = z.object({
  security_group_rules: z.array(z.object({ id, security_group_id: id })),
});

/** Limits by resource; Neutron's -1 is none. */
export const networkQuota = z.object({ quota: z.record(z.string(), z.number()) });

export const providers = z.object({ providers: z.array(z.object({ name: z.string() })) });
export const loadBalancers = z.object({ loadbalancers: z.array(named) });
/** Octavia has had two spellings, and null for no limit. */
export const loadBalancerQuota = z.object({
  quota: z.object({ load_balancer: z.number().nullish(), loadbalancer: z.number().nullish() }),
});

export const volumeTypes = z.object({ volume_types: z.array(z.object({ name: z.string() })) });
export const zones = z.object({ availabilityZoneInfo: z.array(z.object({ zoneName: z.string() })) });

/** The numbers among Nova's or Cinder's limits. */
export const absoluteLimits = z.object({
  limits: z.object({ absolute: z.record(z.string(), z.number()) }),
});

/** Microversion 2.47 puts the flavor's size into the server, so that own use needs no second look-up. */
export const SERVERS = { path: "/servers/detail", options: { microversion: "2.47" } } as const;
export const servers = z.object({
  servers: z.array(
    z.object({
      id,
      name,
      flavor: z.object({ original_name: z.string(), vcpus: z.number(), ram: z.number() }),
      // An empty text for a server that boots from a volume.
      image: z
        .union([z.object({ id }), z.literal("")])
        .nullish()
        .transform((value) => (typeof value === "object" ? value?.id : undefined)),
    }),
  ),
});

export const volumes = z.object({
  volumes: z.array(
    z.object({
      id,
      name,
      size: z.number(),
      attachments: z.array(z.object({ server_id: id })).nullish(),
    }),
  ),
});

export const serverGroups = z.object({ server_groups: z.array(named) });

export const keyPair = z.object({ keypair: z.object({ name: z.string() }) });
