// The contract of route_guide.proto; `meridian export` gives the .proto back.
import * as z from "zod";
import { rpc, service } from "../../../src/contract/index.ts";

/** Degrees multiplied by 10**7, rounded to the nearest integer. */
export const Point = z.object({
  latitude: z.int32(),
  longitude: z.int32(),
}).meta({ id: "Point" });

/** A feature names something at a given point. */
export const Feature = z.object({
  name: z.string(),
  location: Point.optional(),
}).meta({ id: "Feature" });

/** Two diagonally opposite points. */
export const Rectangle = z.object({
  lo: Point.optional().describe("One corner of the rectangle."),
  hi: Point.optional().describe("The other corner of the rectangle."),
}).meta({ id: "Rectangle" });

export const RouteSummary = z.object({
  pointCount: z.int32().describe("The number of points received."),
  featureCount: z.int32().describe(
    "The number of known features passed while traversing the route.",
  ),
  distance: z.int32().describe("The distance covered in metres."),
  elapsedTime: z.int32().describe("The duration of the traversal in seconds."),
}).meta({ id: "RouteSummary" });

export const RouteNote = z.object({
  location: Point.optional().describe("The location from which the message is sent."),
  message: z.string().describe("The message to be sent."),
}).meta({ id: "RouteNote" });

/** Interface exported by the server. */
export const RouteGuide = service("routeguide.RouteGuide", {
  getFeature: rpc({
    description:
      "A simple RPC: the feature at a given position. A feature with an empty name is returned if there is " +
      "none.",
    input: Point,
    output: Feature,
  }),
  listFeatures: rpc({
    description: "A server-to-client streaming RPC: the features within the given rectangle.",
    kind: "server_stream",
    input: Rectangle,
    output: Feature,
  }),
  recordRoute: rpc({
    description: "A client-to-server streaming RPC: a stream of points on a route, answered by a summary.",
    kind: "client_stream",
    input: Point,
    output: RouteSummary,
  }),
  routeChat: rpc({
    description: "A bidirectional streaming RPC: notes along a route, while others send theirs.",
    kind: "bidi_stream",
    input: RouteNote,
    output: RouteNote,
  }),
});

/** What the .proto file says beyond the types, for `meridian export`. */
export const protoFile = {
  path: "route_guide.proto",
  package: "routeguide",
  options: {
    java_package: "io.grpc.examples.routeguide",
    java_outer_classname: "RouteGuideProto",
    objc_class_prefix: "RTG",
    java_multiple_files: true,
  },
};
