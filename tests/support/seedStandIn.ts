/**
 * A stand-in for ssh and the seed behind it, for commands that open a way through the seed: it runs the line on this
 * machine, forwards -L for real, and writes down its arguments. Proves nothing of OpenSSH; the lab does.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMPILED } from "./compiled.ts";

export const OUTPUTS = {
  seedAddress: "203.0.113.7",
  seedUser: "ubuntu",
  seedSshPrivateKey: "-----BEGIN KEY-----\nplanted-seed-key-planted\n-----END KEY-----",
  clusterName: "capi-mgmt-prod",
};

const SSH = `
const { appendFileSync } = require("node:fs");
const { connect, createServer } = require("node:net");
const { spawn } = require("node:child_process");
const args = process.argv.slice(2);
appendFileSync(process.env.HOME + "/ssh-calls", JSON.stringify(args) + "\\n");
const line = () => {
  const child = spawn("bash", ["-c", args.at(-1)], { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal ? 143 : 1)));
};
const forward = args.indexOf("-L");
if (forward < 0) line();
else {
  const [, local, host, port] = /^127[.]0[.]0[.]1:(\\d+):(.*):(\\d+)$/.exec(args[forward + 1]);
  // What is not on loopback is at the port of APIS.
  const remote = host === "127.0.0.1" && port !== "6443" ? port : process.env.APIS;
  const server = createServer((socket) => {
    const other = connect(Number(remote), "127.0.0.1");
    socket.pipe(other).pipe(socket);
    for (const end of [socket, other]) end.on("error", () => (socket.destroy(), other.destroy()));
  });
  server.on("error", (error) => (console.error("bind: " + error.code), process.exit(255)));
  server.listen(Number(local), "127.0.0.1", line);
}
`;

/** kubectl port-forward to something that answers with the file $HOME/answer. */
const KUBECTL = `
const { appendFileSync, readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const home = process.env.HOME;
appendFileSync(home + "/kubectl-calls", JSON.stringify(process.argv.slice(2)) + "\\n");
process.on("SIGTERM", () => (appendFileSync(home + "/kubectl-ended", "SIGTERM\\n"), process.exit(143)));
if (process.env.KUBECTL_FAILS) (console.error(process.env.KUBECTL_FAILS), process.exit(1));
const server = createServer((request, response) => {
  appendFileSync(home + "/requests", request.url + "\\n");
  response.end(readFileSync(home + "/answer"));
});
server.listen(0, "127.0.0.1", () => console.log("Forwarding from 127.0.0.1:" + server.address().port + " -> 9093"));
`;

/** A folder with the programs, and the environment in which they are found. */
export function seedStandIn(
  folder: string,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  mkdirSync(join(folder, "bin"));
  mkdirSync(join(folder, "tmp"));
  for (const [name, text] of Object.entries({ ssh: SSH, kubectl: KUBECTL })) {
    writeFileSync(join(folder, "bin", name), `#!${process.execPath}\n${text}`, { mode: 0o755 });
  }
  return {
    ...COMPILED,
    PATH: `${join(folder, "bin")}:${process.env["PATH"]}`,
    HOME: folder,
    TMPDIR: join(folder, "tmp"),
    PULUMI_BACKEND_URL: "file:///nowhere",
    ...more,
  };
}

/** Arguments of each call of a stand-in, in order. */
export function calls(folder: string, name: "ssh" | "kubectl"): string[][] {
  const lines = readFileSync(join(folder, `${name}-calls`), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as string[]);
}
