/**
 * Serves the program the two services it talks to, on a port of this machine's loopback.
 */
import grpc from "@grpc/grpc-js";
import engineProto from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import resourceProto from "@pulumi/pulumi/proto/resource_grpc_pb.js";
import type { Monitor } from "./monitor.ts";
import { engineService } from "./engine-service.ts";
import type { Observer } from "./step.ts";

/** Of sdk/nodejs/runtime/settings.ts: both sides allow messages of 400 MB. */
const LARGEST_MESSAGE = 400 * 1024 * 1024;

type Handler = (call: unknown, reply: (error: unknown, value?: unknown) => void) => void;

export interface Served {
  /** host:port. */
  address: string;
  close(): void;
}

/** Starts serving at once; calls to the monitor wait until `monitor` is there, and fail if it never comes. */
export async function serve(monitor: Promise<Monitor>, observer: Observer): Promise<Served> {
  const server = new grpc.Server({
    "grpc.max_receive_message_length": LARGEST_MESSAGE,
    "grpc.max_send_message_length": LARGEST_MESSAGE,
  });
  const methods = Object.keys(resourceProto.ResourceMonitorService);
  const waiting: Record<string, Handler> = {};
  for (const name of methods) {
    waiting[name] = (call, reply) => {
      monitor.then(
        (ready) => {
          const method = ready.implementation[name] as unknown as Handler | undefined;
          if (method === undefined) reply({ code: grpc.status.UNIMPLEMENTED, details: name });
          else method(call, reply);
        },
        () => reply({ code: grpc.status.UNAVAILABLE, details: "the run could not begin" }),
      );
    };
  }
  server.addService(
    resourceProto.ResourceMonitorService,
    waiting as unknown as grpc.UntypedServiceImplementation,
  );
  server.addService(
    engineProto.EngineService,
    engineService(observer) as unknown as grpc.UntypedServiceImplementation,
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}
