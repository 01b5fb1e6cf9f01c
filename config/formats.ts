/**
 * The value formats of the configuration: each is a zod schema with the words that say what is legal.
 * Formats know nothing of single fields; the fields are in sections/. Upstream analogue: none (azimuth-config
 * checks only that four variables are set).
 */
import { X509Certificate } from "node:crypto";
import { isIPv4 } from "node:net";
import { z } from "zod";
import { parseCidr } from "./cidr.ts";
import { durationSeconds, quantityBytes } from "./units.ts";

declare module "zod" {
  interface GlobalMeta {
    /** What a legal value looks like, for error messages and the reference table. */
    legal?: string;
    /** Where the field or its default comes from upstream. */
    source?: string;
    /** True for values that must be encrypted in the stack file and never printed. */
    secret?: boolean;
    /** The field beside this one whose change makes a lower layer's value of this one stale. */
    follows?: string;
    /** True for a map with defaults of which a higher layer's empty map leaves nothing. */
    emptyClears?: boolean;
    /** Groups of fields of an object of which at most one group may be used. */
    alternatives?: readonly (readonly string[])[];
  }
}

// Otherwise zod writes and compiles code for each schema, which a process that reads one configuration never gets back.
z.config({ jitless: true });

function text(legal: string, isLegal: (value: string) => boolean) {
  return z.string().refine(isLegal, { error: "is not valid" }).meta({ legal });
}

/** Any text with at least one character that is not a space, on one line. */
export const line = text("text on one line", (value) => /^\S(.*\S)?$/.test(value));

/** An OpenStack object's id. Keystone ids come without dashes, all others with them. */
export const uuid = text("a UUID such as 5617d17e-fdc1-4aa1-a14b-b9b5136c65af", (value) =>
  /^([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.test(value),
);

/** An IPv4 network; host bits must be zero, as Neutron wants for a subnet. */
export const networkCidr = text(
  "an IPv4 network such as 192.168.100.0/24",
  (value) => parseCidr(value)?.hostBits === 0,
);

/** What a proxy is not asked for, as curl and Go read NO_PROXY: hosts, domains with a leading dot, addresses, networks. */
export const noProxyList = z.array(
  text(
    "a host, a domain with a leading dot, an address or a network",
    (value) => /^\.?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(value) || parseCidr(value) !== undefined,
  ),
);

/** A list of sources allowed to reach a port. */
export const sourceCidrs = z.array(
  text(
    "an IPv4 network such as 192.0.2.0/24, one address as /32",
    (value) => parseCidr(value)?.hostBits === 0,
  ),
);

export const ipv4 = text("an IPv4 address such as 203.0.113.10", isIPv4);

export const ipv4List = z.array(ipv4);

export const httpUrl = text("an http:// or https:// URL without credentials", (value) => {
  const url = URL.parse(value);
  return (
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.hostname !== "" &&
    url.username === "" &&
    url.password === ""
  );
});

/** An address that must not be reached in plain. */
export const httpsUrl = text("an https:// URL without credentials", (value) => {
  const url = URL.parse(value);
  return url?.protocol === "https:" && url.hostname !== "" && url.username === "" && url.password === "";
});

/** Five fields of a cron schedule, as Kubernetes' CronJobs read them. */
export const cronSchedule = text("a cron schedule of five fields such as 0 3 * * *", (value) =>
  /^(\*|[\w*/,-]+)( [\w*/,-]+){4}$/.test(value),
);

/** Arguments of a Kubernetes component. kubeadm takes them as text; whoever passes them on makes it of them. */
export const componentArgs = z
  .record(
    z.string().regex(/^[a-z][a-z0-9-]*$/),
    z
      .union([z.string(), z.number(), z.boolean()], { error: "is not valid" })
      .meta({ legal: "text, a number, true or false" }),
  )
  .meta({ legal: "a map of argument, without the dashes before it, to text, a number, true or false" });

/** A Go duration in whole hours, minutes and seconds, as Kubernetes and Helm read it. */
export const duration = text("a duration such as 90s, 30m or 1h30m", (value) => {
  const seconds = durationSeconds(value);
  return seconds !== undefined && seconds > 0;
});

/** How long Prometheus keeps samples; unlike a Go duration it has days. */
export const retention = text(
  "a Prometheus duration such as 168h or 90d",
  (value) =>
    /^([1-9]\d*y)?([1-9]\d*w)?([1-9]\d*d)?([1-9]\d*h)?([1-9]\d*m)?([1-9]\d*s)?$/.test(value) && value !== "",
);

/** A Kubernetes quantity of bytes. */
export const byteQuantity = text("a quantity of bytes such as 10Gi", (value) => {
  const bytes = quantityBytes(value);
  return bytes !== undefined && bytes > 0;
});

export const sha256 = text("64 hexadecimal digits", (value) => /^[0-9a-f]{64}$/i.test(value));

/** Checksum of an image: what the image's publisher states (Ubuntu sha256, azimuth-images sha512). */
export const imageChecksum = text("sha256: and 64, or sha512: and 128 hexadecimal digits", (value) =>
  /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/i.test(value),
);

/** A release tag of a project that writes it with a leading v. */
export const tag = text("a version such as v1.2.3", (value) =>
  /^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(value),
);

/** A chart's version, which has no leading v in these repositories. */
export const chartVersion = text("a version such as 1.2.3", (value) =>
  /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/.test(value),
);

export const k3sVersion = text("a k3s release such as v1.34.8+k3s1", (value) =>
  /^v\d+\.\d+\.\d+(-rc\d+)?\+k3s\d+$/.test(value),
);

/** One or more certificates; the first must parse, so that a truncated paste is found before a TLS error. */
export const pem = text("one or more PEM certificates (-----BEGIN CERTIFICATE----- …)", (value) => {
  const blocks = value.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return (
    blocks.length > 0 &&
    blocks.every((block) => {
      try {
        return new X509Certificate(block).serialNumber !== "";
      } catch {
        return false;
      }
    })
  );
});

export const sshPublicKey = text("an OpenSSH public key such as ssh-ed25519 AAAA… name", (value) =>
  /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{40,}={0,3}( [^\n]*)?$/.test(value),
);

/** A private key without passphrase, which nobody could type during a deployment. */
export const sshPrivateKey = text("an OpenSSH or PEM private key without passphrase", (value) =>
  /^-----BEGIN ((OPENSSH|RSA|EC) )?PRIVATE KEY-----\n(?![^-]*ENCRYPTED)[A-Za-z0-9+/=\n]+-----END ((OPENSSH|RSA|EC) )?PRIVATE KEY-----\n?$/.test(
    value,
  ),
);

/** A name that is legal for a Kubernetes object, a label value and a host name alike. */
export const dnsLabel = text("lower-case letters, digits and dashes, at most 63", (value) =>
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(value),
);

/** Key of a Kubernetes label or taint. */
export const labelKey = z
  .string()
  .regex(/^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/)
  .meta({ legal: "a label's name, with or without a domain before a slash" });

export const labelValue = text("at most 63 letters, digits, dashes, dots and underscores", (value) =>
  /^([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?$/.test(value),
);

/** Name of a machine group, as the chart openstack-cluster wants it. */
export const machineGroup = text("3 to 63 lower-case letters, digits and dashes, a letter first", (value) =>
  /^[a-z][a-z0-9-]{1,61}[a-z0-9]$/.test(value),
);

/** A host name or an address that a certificate can carry. */
export const hostOrAddress = text(
  "a host name or an address",
  (value) => isIPv4(value) || /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(value),
);

/**
 * A calendar day. The pulumi CLI takes an unquoted one for a time, hands the program Go's text of it, and writes that
 * into the stack's file when it next touches it: both are the day they begin with.
 */
export const date = text("a day such as 2027-04-30", (value) => {
  const [, text = ""] = /^(\d{4}-\d\d-\d\d)( 00:00:00 \+0000 UTC)?$/.exec(value) ?? [];
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.valueOf()) && day.toISOString().startsWith(text);
});

/** Either a count or a share, as Kubernetes rollouts and health checks take it. */
export const countOrPercentage = z
  .union([z.int().min(0), z.string().regex(/^(100|[1-9]?\d)%$/)], { error: "is not valid" })
  .meta({ legal: "a whole number from 0, or a percentage such as 40%" });

/** A whole number between two bounds, both included. */
export function wholeNumber(min: number, max: number) {
  return z
    .int()
    .min(min)
    .max(max)
    .meta({ legal: `a whole number from ${min} to ${max}` });
}

/** One word of several. */
export function choice<const T extends readonly [string, ...string[]]>(...words: T) {
  return z.enum(words).meta({ legal: words.join(", ") });
}

export const flag = z.boolean().meta({ legal: "true or false" });
