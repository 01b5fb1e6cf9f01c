/**
 * What a Pulumi plugin is to the engine that starts it: a gRPC server on loopback that says its port on stdout.
 */
import * as grpc from "@grpc/grpc-js";

/** Property values may be long (scripts, kubeconfigs). Upstream source of the number: sdk/nodejs/runtime/settings.ts. */
export const channelOptions = { "grpc.max_receive_message_length": 400 * 1024 * 1024 };

/** Serves until the process is ended, which the engine does, and prints the port. */
export async function servePlugin(
  service: grpc.ServiceDefinition,
  handlers: grpc.UntypedServiceImplementation,
): Promise<void> {
  const server = new grpc.Server(channelOptions);
  server.addService(service, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  console.log(String(port));
}

/** A handler from a function; what that throws is the call's error, without a stack. */
export function unary<Call, Answer>(
  work: (call: Call) => Answer | Promise<Answer>,
): grpc.handleUnaryCall<Call, Answer> {
  return ({ request }, callback) => {
    Promise.resolve()
      .then(() => work(request))
      .then(
        (answer) => callback(null, answer),
        (error: unknown) => callback({ code: grpc.status.UNKNOWN, details: (error as Error).message }),
      );
  };
}
