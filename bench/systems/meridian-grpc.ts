// Meridian as its users get it, over gRPC.
import { grpc } from "../../src/index.ts";
import { echoSystem } from "./meridian/echo.ts";

export const { serve, connect } = echoSystem({ protocol: grpc() });
