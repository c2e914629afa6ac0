/** Default values of proto2 fields, from the text that descriptors hold. */
import type { Model } from "../model.ts";

/** The value in JavaScript; an enum's is its name. */
export function readDefault(text: string, model: Model): string | number | bigint | boolean | Uint8Array {
  if (model.kind !== "scalar") return text;
  switch (model.scalar) {
    case "string": return text;
    case "bool": return text === "true";
    case "bytes": return unescapeBytes(text);
    case "float": case "double": return readFloat(text);
    case "int64": case "uint64": case "sint64": case "fixed64": case "sfixed64": return BigInt(text);
    case "int32": case "uint32": case "sint32": case "fixed32": case "sfixed32": return Number(text);
    case "timestamp": return text;
    default: return model.scalar satisfies never;
  }
}

function readFloat(text: string): number {
  if (text === "inf") return Infinity;
  if (text === "-inf") return -Infinity;
  return text === "nan" ? NaN : Number(text);
}

function unescapeBytes(text: string): Uint8Array {
  const bytes: number[] = [];
  const simple: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9 };
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== "\\") {
      bytes.push(text.charCodeAt(i));
      continue;
    }
    const octal = /^[0-7]{1,3}/.exec(text.slice(i + 1, i + 4))?.[0];
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8) & 0xff);
    else bytes.push(simple[text[i + 1] ?? ""] ?? text.charCodeAt(i + 1));
    i += octal?.length ?? 1;
  }
  return Uint8Array.from(bytes);
}
