/**
 * A language host for Node.js, used where Pulumi's own is not installed: starts the program by the SDK's own launcher.
 * It runs programs and does nothing else a language host can (install dependencies, generate code, debug).
 * Upstream analogue: sdk/nodejs/cmd/pulumi-language-nodejs.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb.js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import { servePlugin, unary } from "../rpc.ts";

/** The launcher's exit code for a program that failed and has said why. Upstream source of the number: sdk/nodejs/cmd/run. */
const ALREADY_REPORTED = 32;

const [engineAddress = ""] = process.argv.slice(2).filter((word) => !word.startsWith("-"));

await servePlugin(LanguageRuntimeService, {
  getPluginInfo: unary(() => new plugin.PluginInfo().setVersion("0.0.0")),
  // The plugins are there: the lab's own folder has them.
  getRequiredPlugins: unary(() => new language.GetRequiredPluginsResponse()),
  run: unary(run),
});

async function run(call: language.RunRequest): Promise<language.RunResponse> {
  const root = call.getInfo()?.getRootDirectory() || call.getPwd();
  const launcher = createRequire(join(root, "package.json")).resolve("@pulumi/pulumi/cmd/run");
  const options = {
    monitor: call.getMonitorAddress(),
    engine: engineAddress,
    organization: call.getOrganization(),
    project: call.getProject(),
    stack: call.getStack(),
    pwd: call.getPwd(),
    "root-directory": root,
    parallel: call.getParallel(),
    typescript: false,
  };
  const words = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  if (call.getDryrun()) words.push("--dry-run");
  const config = Object.fromEntries(call.getConfigMap().toArray());
  const entry = call.getInfo()?.getEntryPoint() || call.getProgram();
  const child = spawn(
    process.execPath,
    ["--no-warnings", launcher, ...words, "--", entry, ...call.getArgsList()],
    {
      // the engine shows what comes after the port
      stdio: ["ignore", "inherit", "inherit"],
      env: {
        ...process.env,
        PULUMI_CONFIG: JSON.stringify(config),
        PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(call.getConfigsecretkeysList()),
      },
    },
  );
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exit) => resolve(exit ?? 128));
  });
  const response = new language.RunResponse();
  if (code === ALREADY_REPORTED) response.setBail(true);
  else if (code !== 0) response.setError(`the program ended with exit code ${code}`);
  return response;
}
