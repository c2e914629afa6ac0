/** The body of an answer as text: whole, in pieces, or line by line. */
import type { RequestCall } from "./request-call.ts";

/** All of it; fails with `resource_exhausted` above `maxBytes`. */
export async function textOf(call: RequestCall, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (let piece = await call.next(); piece !== undefined; piece = await call.next()) {
    bytes += piece.length;
    if (bytes > maxBytes) {
      throw call.fail("resource_exhausted", `the answer has more than ${maxBytes} bytes (maxBytes)`);
    }
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}

/** Pieces as they come, cut between characters. */
export async function* chunksOf(call: RequestCall): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  try {
    for (let piece = await call.next(); piece !== undefined; piece = await call.next()) {
      const text = decoder.decode(piece, { stream: true });
      if (text !== "") yield text;
    }
    const rest = decoder.decode();
    if (rest !== "") yield rest;
  } finally {
    call.cancel();
  }
}

const lineFeed = 10;

/** Lines without their ends; empty ones are left out. Fails with `resource_exhausted` for one above `maxLineBytes`. */
export async function* linesOf(call: RequestCall, maxLineBytes: number): AsyncGenerator<string, undefined> {
  // Whole lines are decoded, so that none has a character cut in two.
  let begun: Uint8Array[] = [];
  let begunBytes = 0;

  function add(bytes: Uint8Array): void {
    begunBytes += bytes.length;
    if (bytes.length > 0) begun.push(bytes);
    if (begunBytes > maxLineBytes) {
      throw call.fail("resource_exhausted", `a line has more than ${maxLineBytes} bytes (maxLineBytes)`);
    }
  }

  function take(): string {
    const text = decodeLine(begun);
    begun = [];
    begunBytes = 0;
    return text;
  }

  try {
    for (let piece = await call.next(); piece !== undefined; piece = await call.next()) {
      let from = 0;
      for (let end = piece.indexOf(lineFeed); end >= 0; end = piece.indexOf(lineFeed, from)) {
        add(piece.subarray(from, end));
        from = end + 1;
        const line = take();
        if (line !== "") yield line;
      }
      add(piece.subarray(from));
    }
    const last = take();
    if (last !== "") yield last;
  } finally {
    call.cancel();
  }
}

function decodeLine(pieces: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  let text = "";
  for (const piece of pieces) text += decoder.decode(piece, { stream: true });
  text += decoder.decode();
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}
