// Meridian by UDP: every call a datagram each way, retransmitted and run once, every other default on.
import { udp } from "../../src/index.ts";
import { echoSystem } from "./meridian/echo.ts";

export const { serve, connect } = echoSystem({ protocol: udp() }, { udp: true });
