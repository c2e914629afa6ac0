/** A FileSource is one text file that may change: how file-driven parts read it without touching the disk. */
export interface FileSource {
  /** What messages call it. */
  readonly path: string;
  /**
   * The whole text. Rejects with an RpcError that names the path: `not_found` where there is none,
   * `resource_exhausted` above `maxBytes`, `invalid_argument` if it is not UTF-8.
   */
  read(maxBytes: number): Promise<string>;
  /** Calls `changed` after the file was changed, replaced, removed or made, until the returned function is called. */
  watch(changed: () => void): () => void;
}
