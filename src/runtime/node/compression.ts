/**
 * Compressions of Node's own zlib: `gzip` (RFC 1952), `br` (RFC 7932) and `zstd` (RFC 8878).
 *
 * They run on the calling thread: messages are at most a few megabytes, handing one to another thread costs
 * more than a small one takes, and order is kept without a queue.
 */
import {
  brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync,
} from "node:zlib";
import { RpcError } from "../../core/error.ts";
import type { Compression } from "../../wire/compression.ts";

export interface CompressionOptions {
  /** How hard to try, on the algorithm's own scale: gzip 1 to 9, brotli 0 to 11, zstd 1 to 22. */
  readonly level?: number | undefined;
}

/** Compresses by gzip, which every platform has. `level` defaults to 6. */
export function gzip(options: CompressionOptions = {}): Compression {
  const level = checkedLevel("gzip", options.level ?? 6, 1, 9);
  return compression("gzip", (bytes) => gzipSync(bytes, { level }), gunzipSync);
}

/** Compresses by Brotli. `level` defaults to 4: 11, its own default, takes a hundred times as long as gzip. */
export function brotli(options: CompressionOptions = {}): Compression {
  const level = checkedLevel("brotli", options.level ?? 4, 0, 11);
  const params = { [constants.BROTLI_PARAM_QUALITY]: level };
  return compression("br", (bytes) => brotliCompressSync(bytes, { params }), brotliDecompressSync);
}

/** Compresses by Zstandard: the fastest of the three for its size. `level` defaults to 3. */
export function zstd(options: CompressionOptions = {}): Compression {
  const level = checkedLevel("zstd", options.level ?? 3, 1, 22);
  const params = { [constants.ZSTD_c_compressionLevel]: level };
  return compression("zstd", (bytes) => zstdCompressSync(bytes, { params }), zstdDecompressSync);
}

interface Limits {
  readonly maxOutputLength: number;
  readonly info: true;
}

/** With `info`, zlib also tells how much of its input it used. */
interface Inflated {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

function compression(
  name: string, compress: (bytes: Uint8Array) => Uint8Array, inflate: (bytes: Uint8Array, limits: Limits) => unknown,
): Compression {
  return {
    name,
    compress,
    decompress(bytes, maxBytes) {
      let inflated: Inflated;
      try {
        inflated = inflate(bytes, { maxOutputLength: Math.max(1, maxBytes), info: true }) as Inflated;
      } catch (error) {
        throw failure(name, maxBytes, error as Error & { code?: unknown });
      }
      const { buffer, engine } = inflated;
      if (buffer.length > maxBytes) throw tooLarge(name, maxBytes);
      if (engine.bytesWritten < bytes.length) {
        throw damaged(name, `${bytes.length - engine.bytesWritten} bytes follow its end`);
      }
      return buffer;
    },
  };
}

function failure(name: string, maxBytes: number, error: Error & { code?: unknown }): RpcError {
  return error.code === "ERR_BUFFER_TOO_LARGE" ? tooLarge(name, maxBytes) : damaged(name, error.message, error);
}

function tooLarge(name: string, maxBytes: number): RpcError {
  return new RpcError("resource_exhausted",
    `a ${name} message grows beyond the ${maxBytes} bytes allowed (maxMessageBytes)`,
    { phase: "decode", retryable: false });
}

function damaged(name: string, why: string, cause?: Error): RpcError {
  return new RpcError("invalid_argument", `a ${name} message cannot be decompressed: ${why}`,
    { phase: "decode", cause });
}

function checkedLevel(name: string, level: number, least: number, most: number): number {
  if (Number.isInteger(level) && level >= least && level <= most) return level;
  throw new RpcError("invalid_argument", `the level of ${name} is ${level}, expected a whole number from ` +
    `${least} to ${most}`);
}

/** What `createClient`, `createServer` and `createGateway` understand unless they are told otherwise, best first. */
export const nodeCompressions: readonly Compression[] = [gzip(), brotli(), zstd()];
