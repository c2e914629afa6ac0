/** A byte stream in the binary messages of a WebSocket, whose boundaries mean nothing: what byte protocols run over. */
import type { ByteSink, ByteStream, Clock } from "../../core/runtime.ts";
import { FrameError } from "./frame-reader.ts";
import { CloseCode } from "./frames.ts";
import { WebSocketConnection, type WebSocketEvents } from "./socket.ts";

/** Where the bytes of a WebSocket enter and leave. */
export interface WebSocketByteStream extends ByteStream {
  /** Hears the stream beneath. */
  readonly below: ByteSink;
}

/** `sinkOf` is asked at once for who hears the bytes. */
export function webSocketByteStream(
  clock: Clock, stream: ByteStream, sinkOf: (bytes: ByteStream) => ByteSink, drawMask?: () => number,
): WebSocketByteStream {
  let sink: ByteSink | undefined = undefined as ByteSink | undefined;
  const events: WebSocketEvents = {
    piece(isText, bytes, start, end) {
      if (isText) throw new FrameError(CloseCode.unsupported, "a text message where bytes are spoken");
      if (end > start) sink?.received(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
    },
    drained: () => sink?.drained?.(),
    closed: (error) => sink?.closed(error),
  };
  const socket = new WebSocketConnection(clock, stream, events, drawMask);
  const bytes: WebSocketByteStream = {
    below: socket,
    peer: stream.peer,
    get secure() {
      return stream.secure;
    },
    get bufferedBytes() {
      return stream.bufferedBytes;
    },
    write: (payload, written) => socket.send(false, payload, written),
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    end: () => socket.close(),
    destroy: () => socket.destroy(),
  };
  sink = sinkOf(bytes);
  return bytes;
}
