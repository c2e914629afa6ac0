/** A Compression is an algorithm that both sides of a connection may agree on for their larger messages. */

/** Synchronous, so that it may run inside a simulation. */
export interface Compression {
  /** `gzip`, `br`, `zstd`: the name in the hello. */
  readonly name: string;
  compress(bytes: Uint8Array): Uint8Array;
  /**
   * Throws RpcError `resource_exhausted` as soon as the output would exceed `maxBytes`, and `invalid_argument`
   * for bytes that are damaged, cut short or followed by others.
   */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array;
}
