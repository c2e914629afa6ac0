/** Refusing a connection with a reason: the client learns that the server is full, not that it vanished. */
import type { Timer } from "../../core/alarm.ts";
import type { RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, Clock } from "../../core/runtime.ts";
import { Outbox } from "../../wire/outbox.ts";
import { lingerMs, writeGoAway } from "./channel.ts";
import { FrameType, maxVersion, minVersion } from "./frame-types.ts";
import { preface } from "./preface.ts";

/** Says why, closes, and hears the client out until it closes too or {@link lingerMs} are over. */
export function nativeRefuse(clock: Clock, stream: ByteStream, error: RpcError, gone: () => void): ByteSink {
  const outbox = new Outbox(stream, clock);
  outbox.raw(preface(minVersion, maxVersion));
  outbox.begin();
  writeGoAway(outbox, 0, error);
  outbox.end(FrameType.goAway, 0, 0);
  outbox.flush();
  stream.end();
  const timer: Timer = clock.after(lingerMs, () => stream.destroy()).unref();
  return {
    received: () => undefined,
    closed() {
      timer.cancel();
      gone();
    },
  };
}
