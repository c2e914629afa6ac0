// Meridian as its users get it, over Connect: `h1-json`, `h2-proto` and so on.
import { json } from "../../src/codec/index.ts";
import { connect as connectProtocol } from "../../src/index.ts";
import { echoSystem } from "./meridian/echo.ts";

export const { serve, connect } = echoSystem(({ variant }) => ({
  protocol: connectProtocol({ http: variant.startsWith("h1") ? 1 : 2 }),
  ...(variant.endsWith("json") ? { codec: json } : {}),
}));
