/** Kubeconfigs with a client certificate, as k3s and Cluster API hand them out. */
import { execFileSync } from "node:child_process";
import { stringify } from "yaml";

/** A kubeconfig whose client certificate ends in so many days. */
export function kubeconfigEnding(days: number): string {
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -subj /CN=admin -days ${days}`;
  const certificate = execFileSync("openssl", args.split(" "), { stdio: ["ignore", "pipe", "ignore"] });
  return stringify({
    clusters: [{ name: "c", cluster: { server: "https://x:6443" } }],
    users: [{ name: "u", user: { "client-certificate-data": certificate.toString("base64") } }],
    contexts: [{ name: "k", context: { cluster: "c", user: "u" } }],
    "current-context": "k",
  });
}
