// Meridian as its users get it, over Avro's RPC with serial numbers, as avsc has it.
import { avro } from "../../src/protocol/index.ts";
import { echoSystem } from "./meridian/echo.ts";

export const { serve, connect } = echoSystem({ protocol: avro() });
