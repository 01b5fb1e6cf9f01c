/**
 * A bastion: a host of its own on the lab's external network, with nothing but an OpenSSH server.
 */
import { addresses, externalBridge, hostInterface, namespace } from "../../lab/site.ts";
import { command, output } from "./lab.ts";
import { type Sshd, startSshd } from "./sshd.ts";

const NAME = "bastion";
/** Nobody's: the external network gives out others. */
export const bastionAddress = "203.0.113.61";

/** Starts it. `stop` takes its network away too. */
export async function startBastion(): Promise<Sshd> {
  const inside = ["-n", NAME];
  const inLab = ["-n", namespace];
  const link = "tst-bastion";
  command("ip", ["netns", "del", NAME]); // of a run that was killed
  output("ip", ["netns", "add", NAME]);
  output("ip", [...inLab, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", NAME]);
  output("ip", [...inLab, "link", "set", link, "master", externalBridge, "up"]);
  output("ip", [...inside, "addr", "add", `${bastionAddress}/${addresses.prefixLength}`, "dev", "eth0"]);
  for (const device of ["lo", "eth0"]) output("ip", [...inside, "link", "set", device, "up"]);
  // The host's own routes lead to the lab's services and floating IPs only.
  output("ip", ["route", "replace", bastionAddress, "dev", hostInterface, "src", addresses.host]);
  const sshd = await startSshd({ host: bastionAddress, port: 2222, netns: NAME, logLevel: "DEBUG1" });
  return {
    ...sshd,
    stop: async () => {
      await sshd.stop();
      command("ip", ["route", "del", bastionAddress, "dev", hostInterface]);
      command("ip", ["netns", "del", NAME]);
    },
  };
}
