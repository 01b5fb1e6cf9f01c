/**
 * The lab's certificate authority and the proxy's certificate; Octavia's own CA.
 * A real site's APIs have such a private CA: the whole way of a custom CA is exercised here.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";
import { addresses, paths } from "../site.ts";
import { writePrivate } from "./secrets.ts";

/** Makes what is missing. The CA is valid ten years, so a lab kept for long does not break by it. */
export async function ensureCertificates(octaviaPassphrase: string): Promise<void> {
  mkdirSync(join(paths.ca, "..", "tls"), { recursive: true, mode: 0o700 });
  if (!existsSync(paths.serverCertificate)) await makeServerCertificate();
  const octaviaCa = join(paths.etc, "octavia-ca.pem");
  if (!existsSync(octaviaCa)) {
    // the passphrase travels by environment, not in the arguments
    await run(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "rsa:2048", "-passout", "env:LAB_PASSPHRASE", "-days", "3650"],
        ...["-keyout", join(paths.etc, "octavia-ca.key"), "-out", octaviaCa, "-subj", "/CN=Lab Octavia CA"],
      ],
      { env: { LAB_PASSPHRASE: octaviaPassphrase } },
    );
  }
}

async function makeServerCertificate(): Promise<void> {
  const directory = join(paths.serverKey, "..");
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = [
    ...["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"],
  ];
  await run("openssl", [
    ...["req", "-x509", ...newKey, "-days", "3650", "-subj", "/CN=capi-mgmt lab CA", ...authority],
    ...["-keyout", paths.caKey, "-out", paths.ca],
  ]);
  const request = join(directory, "server.csr");
  await run("openssl", [
    ...["req", "-new", ...newKey, "-subj", "/CN=lab.internal", "-keyout", paths.serverKey, "-out", request],
  ]);
  const extensions = join(directory, "server.ext");
  writePrivate(
    extensions,
    `subjectAltName=IP:${addresses.services},IP:127.0.0.1,DNS:lab.internal\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`,
  );
  await run("openssl", [
    ...["x509", "-req", "-in", request, "-CA", paths.ca, "-CAkey", paths.caKey, "-CAcreateserial"],
    ...["-days", "3650", "-extfile", extensions, "-out", paths.serverCertificate],
  ]);
}
