/** `connectProbe` asks by a connection of the client's own protocol: opened, greeted, and answering. */
import type { Connect, ConnectionEvents } from "../core/connection.ts";
import { describeEndpoint } from "../core/endpoint.ts";
import { expected } from "../core/error.ts";
import type { Probe } from "../core/probe.ts";
import type { Runtime } from "../core/runtime.ts";

/**
 * Makes the probe. `connect` must make a connection of its own each time: one that is shared tells of the past. A
 * server that drains is leaving, and fails it.
 */
export function connectProbe(runtime: Runtime, connect: Connect): Probe {
  return (endpoint, timeoutMs) => new Promise((resolve, reject) => {
    let isOver = false;
    const end = (failure: string | undefined): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      connection.close(0);
      if (failure === undefined) resolve();
      else reject(expected("unavailable", `${describeEndpoint(endpoint)} ${failure}`, { phase: "connect" }));
    };
    const events: ConnectionEvents = {
      opened() {
        // The hello may be older than the wish to leave, and some protocols have none: one more word.
        if (!connection.ping()) end(undefined);
      },
      draining: (why) => end(`is draining: ${why}`),
      closed: (error) => end(error?.message ?? "closed the connection at once"),
      pinged: () => end(undefined),
      reported: () => undefined,
    };
    // Nothing of it happens before this returns, so the events may speak of what is made here.
    const connection = connect(runtime, endpoint.address, events, endpoint.attributes);
    const timer = runtime.clock.after(timeoutMs, () => {
      end(`did not answer within ${timeoutMs} ms`);
      // Whoever says nothing need not be asked to close.
      connection.abort(expected("unavailable", "the probe is over"));
    }).unref();
  });
}
