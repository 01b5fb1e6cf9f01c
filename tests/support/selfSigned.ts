/** A server certificate for the loopback, made anew for a test. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** Makes key.pem and cert.pem in `folder`, for 127.0.0.1 and a day, and gives their paths. */
export function selfSigned(folder: string): { key: string; cert: string } {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")] as const;
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"];
  const request = ["req", "-x509", ...curve, "-days", "1", ...subject];
  execFileSync("openssl", [...request, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { key, cert };
}
