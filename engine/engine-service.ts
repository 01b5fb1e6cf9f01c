/**
 * The engine service: the program's messages to the operator, and its root resource.
 * Upstream analogue: pkg/resource/plugin/host_server.go.
 */
import type grpc from "@grpc/grpc-js";
import engproto from "@pulumi/pulumi/proto/engine_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import type { Observer } from "./step.ts";

const SEVERITIES = ["debug", "info", "warning", "error"] as const;

/** The gRPC service's methods. */
export function engineService(observer: Observer): Record<string, grpc.handleUnaryCall<never, never>> {
  let root = "";
  const methods: Record<string, (request: never) => unknown> = {
    log: (request: engproto.LogRequest) => {
      observer.message(SEVERITIES[request.getSeverity()] ?? "info", request.getUrn(), request.getMessage());
      return new empty.Empty();
    },
    getRootResource: () => {
      const response = new engproto.GetRootResourceResponse();
      response.setUrn(root);
      return response;
    },
    setRootResource: (request: engproto.SetRootResourceRequest) => {
      root = request.getUrn();
      return new engproto.SetRootResourceResponse();
    },
    startDebugging: () => new empty.Empty(),
    requirePulumiVersion: () => new engproto.RequirePulumiVersionResponse(),
  };
  return Object.fromEntries(
    Object.entries(methods).map(([name, method]) => [
      name,
      ((call: { request: never }, reply: (error: null, value: unknown) => void) =>
        reply(null, method(call.request))) as unknown as grpc.handleUnaryCall<never, never>,
    ]),
  );
}
