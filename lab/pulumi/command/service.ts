/**
 * The provider as the engine speaks to it: gRPC with the messages of Pulumi's SDK. Its own server (@pulumi/pulumi/provider)
 * would do but for three things: it drops time limits, property differences, and what a provider says while it works.
 */
import * as grpc from "@grpc/grpc-js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { channelOptions, servePlugin, unary } from "../rpc.ts";
import { Commands, type Difference, type Request, requireType } from "./commands.ts";
import { checkInputs } from "./inputs.ts";
import type { Log } from "./output.ts";
import { type Properties, type WireMap, conceal, reveal } from "./values.ts";

/** The version of the SDK that the program uses; the engine refuses an older provider. */
export const version = "1.2.1";

/**
 * Serves until the engine ends the process.
 *
 * @param engineAddress where the engine takes messages for the operator; without it they are dropped
 */
export async function serve(engineAddress: string | undefined): Promise<void> {
  const client =
    engineAddress === undefined
      ? undefined
      : new EngineClient(engineAddress, grpc.credentials.createInsecure(), channelOptions);
  await servePlugin(ResourceProviderService, handlers(new Commands(), client));
}

function handlers(commands: Commands, client: EngineClient | undefined): grpc.UntypedServiceImplementation {
  const request = (call: { getUrn(): string; getTimeout(): number }): Request => ({
    type: typeOf(call.getUrn()),
    timeoutSeconds: call.getTimeout(),
    log: logger(client, call.getUrn()),
  });
  return {
    getPluginInfo: unary(() => new plugin.PluginInfo().setVersion(version)),
    // Nothing during a deployment asks for more than the name.
    getSchema: unary(() =>
      new provider.GetSchemaResponse().setSchema(JSON.stringify({ name: "command", version })),
    ),
    checkConfig: unary((call: provider.CheckRequest) =>
      new provider.CheckResponse().setInputs(call.getNews()),
    ),
    diffConfig: unary(() =>
      new provider.DiffResponse().setChanges(provider.DiffResponse.DiffChanges.DIFF_NONE),
    ),
    configure: unary(() => new provider.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true)),
    check: unary((call: provider.CheckRequest) => {
      const type = typeOf(call.getUrn());
      requireType(type);
      const sent = fromStruct(call.getNews());
      const { inputs, failures } = checkInputs(type, reveal(sent));
      return new provider.CheckResponse()
        .setInputs(toStruct(inputs, sent))
        .setFailuresList(
          failures.map(({ property, reason }) =>
            new provider.CheckFailure().setProperty(property).setReason(reason),
          ),
        );
    }),
    diff: unary((call: provider.DiffRequest) =>
      toDiff(commands.diff(reveal(fromStruct(call.getOldInputs())), reveal(fromStruct(call.getNews())))),
    ),
    create: unary(async (call: provider.CreateRequest) => {
      const sent = fromStruct(call.getProperties());
      const inputs = reveal(sent);
      if (call.getPreview()) {
        return new provider.CreateResponse().setProperties(toStruct(commands.preview(inputs), sent));
      }
      const { id, outputs } = await commands.create(request(call), nameOf(call.getUrn()), inputs);
      return new provider.CreateResponse().setId(id).setProperties(toStruct(outputs, sent));
    }),
    // A command has nothing that could be looked at: it is what it printed.
    read: unary((call: provider.ReadRequest) =>
      new provider.ReadResponse()
        .setId(call.getId())
        .setProperties(call.getProperties())
        .setInputs(call.getInputs()),
    ),
    update: unary(async (call: provider.UpdateRequest) => {
      const sent = fromStruct(call.getNews());
      const news = reveal(sent);
      const outputs = call.getPreview()
        ? commands.preview(news)
        : await commands.update(request(call), reveal(fromStruct(call.getOlds())), news);
      return new provider.UpdateResponse().setProperties(toStruct(outputs, sent));
    }),
    delete: unary(async (call: provider.DeleteRequest) => {
      await commands.delete(request(call), reveal(fromStruct(call.getProperties())));
      return new empty.Empty();
    }),
    invoke: unary((call: provider.InvokeRequest) => {
      throw new Error(`the lab's stand-in for pulumi-command does not have the function ${call.getTok()}`);
    }),
    cancel: unary(() => {
      commands.cancel();
      return new empty.Empty();
    }),
  };
}

function logger(client: EngineClient | undefined, urn: string): Log {
  return (text, severity = "info") => {
    const level = severity === "warning" ? engine.LogSeverity.WARNING : engine.LogSeverity.INFO;
    client?.log(new engine.LogRequest().setSeverity(level).setUrn(urn).setMessage(text), () => undefined);
  };
}

function toDiff(differences: readonly Difference[]): provider.DiffResponse {
  const { DIFF_NONE, DIFF_SOME } = provider.DiffResponse.DiffChanges;
  const response = new provider.DiffResponse()
    .setChanges(differences.length > 0 ? DIFF_SOME : DIFF_NONE)
    .setHasdetaileddiff(true)
    .setDiffsList([...new Set(differences.map(({ path }) => /^[^.[]+/.exec(path)?.[0] ?? path))])
    .setReplacesList(differences.filter(({ replaces }) => replaces).map(({ path }) => path));
  for (const { path, kind, replaces } of differences) {
    const name =
      `${kind}${replaces ? "_replace" : ""}`.toUpperCase() as keyof typeof provider.PropertyDiff.Kind;
    const detail = new provider.PropertyDiff().setKind(provider.PropertyDiff.Kind[name]).setInputdiff(true);
    response.getDetaileddiffMap().set(path, detail);
  }
  return response;
}

const fromStruct = (message: struct.Struct | undefined): WireMap => message?.toJavaScript() ?? {};

const toStruct = (values: Properties, marked: WireMap): struct.Struct =>
  struct.Struct.fromJavaScript(conceal(values, marked));

const typeOf = (urn: string): string => urn.split("::")[2]?.split("$").at(-1) ?? "";

const nameOf = (urn: string): string => urn.split("::").slice(3).join("::");
