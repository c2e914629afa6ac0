/** A TextStore is one text that outlives the process: how parts that remember write to the disk without touching it. */
export interface TextStore {
  /** What messages call it. */
  readonly path: string;
  /**
   * The whole text; undefined where there is none yet. Rejects with an RpcError that names the path:
   * `resource_exhausted` above `maxBytes`, `invalid_argument` if it is not UTF-8.
   */
  read(maxBytes: number): Promise<string | undefined>;
  /**
   * Replaces it whole or not at all, also when the machine loses its power meanwhile. Rejects with an RpcError that
   * names the path and says what to do. Writes are done in the order in which they were asked for.
   */
  write(text: string): Promise<void>;
}
