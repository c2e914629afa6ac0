/** The numbers of HTTP/2 on the wire (RFC 9113, sections 3.4, 6, 7 and 11). */

/** What a client says first. */
export const prefaceText = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
export const preface = Uint8Array.from(prefaceText, (unit) => unit.charCodeAt(0));

export const frameHeaderBytes = 9;
/** The least that any peer takes in one frame. */
export const leastMaxFrameBytes = 16_384;
export const mostMaxFrameBytes = 0xff_ffff;
export const mostWindowBytes = 0x7fff_ffff;
/** Every window's size as long as nobody says otherwise. */
export const initialWindowBytes = 65_535;
export const lastStreamId = 0x7fff_ffff;

export const FrameType = {
  data: 0, headers: 1, priority: 2, reset: 3, settings: 4, pushPromise: 5, ping: 6, goAway: 7, windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

export const Setting = {
  headerTableBytes: 1, enablePush: 2, maxConcurrentStreams: 3, initialWindowBytes: 4, maxFrameBytes: 5,
  maxHeaderListBytes: 6,
  /** Ours, of numbers that nobody has registered: 1 from a server that takes pings as they come. */
  takesPings: 0xf4d7,
} as const;

export const ErrorCode = {
  none: 0, protocol: 1, internal: 2, flowControl: 3, settingsTimeout: 4, streamClosed: 5, frameSize: 6, refused: 7,
  cancel: 8, compression: 9, connect: 10, calm: 11, inadequateSecurity: 12, http11Required: 13,
} as const;

const errorNames = [
  "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
  "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
];

/** The code's name as in the RFC, for logs and error texts. */
export function errorName(code: number): string {
  return errorNames[code] ?? `error code ${code}`;
}
