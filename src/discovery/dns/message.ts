/**
 * DNS messages as far as a client needs them: questions out, answers in (RFC 1035, RFC 3596, RFC 2782, RFC 6891).
 *
 * Whatever a peer sends ends in a message or in one error: counts are believed only as far as there are bytes, names
 * are bounded, and a record whose own data makes no sense is marked while the others stay.
 */
import { ipText } from "./addresses.ts";
import { encodeName, malformed, readName } from "./names.ts";

export type RecordType = "A" | "AAAA" | "SRV" | "TXT";

const typeNumbers: Readonly<Record<RecordType | "CNAME" | "SOA" | "OPT", number>> = {
  A: 1, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, SRV: 33, OPT: 41,
};
const internet = 1;

export type RecordData =
  | { readonly kind: "A" | "AAAA"; readonly address: string }
  | {
    readonly kind: "SRV"; readonly priority: number; readonly weight: number; readonly port: number;
    readonly target: string;
  }
  | { readonly kind: "TXT"; readonly texts: readonly string[] }
  | { readonly kind: "CNAME"; readonly target: string }
  /** `minimumSeconds` bounds how long a negative answer is kept (RFC 2308 section 4). */
  | { readonly kind: "SOA"; readonly minimumSeconds: number }
  /** Of one of the types above, but not as that type is written. */
  | { readonly kind: "malformed"; readonly type: string; readonly why: string }
  | { readonly kind: "other" };

export interface DnsRecord {
  readonly name: string;
  readonly ttlSeconds: number;
  readonly data: RecordData;
}

export interface Question {
  readonly name: string;
  readonly type: RecordType;
}

export interface DnsMessage {
  readonly id: number;
  readonly isResponse: boolean;
  readonly isAuthoritative: boolean;
  readonly isTruncated: boolean;
  /** 0 is no error; see `describeCode`. */
  readonly code: number;
  /** Undefined unless there is exactly one, of the Internet class. */
  readonly question: { readonly name: string; readonly type: number } | undefined;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

/** Answer sizes that nothing on the way needs to cut up (the DNS flag day of 2020). */
const maxUdpBytes = 1_232;
const headBytes = 12;

/** Codes that decide what a client does. */
export const noError = 0;
export const formatError = 1;
export const nameError = 3;

/** A question, with recursion desired; with `extended`, larger answers than 512 bytes (EDNS0, RFC 6891). */
export function encodeQuestion(id: number, { name, type }: Question, extended: boolean): Uint8Array {
  const wireName = encodeName(name);
  const bytes = new Uint8Array(headBytes + wireName.length + 4 + (extended ? 11 : 0));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id);
  view.setUint16(2, 0x0100);
  view.setUint16(4, 1);
  view.setUint16(10, extended ? 1 : 0);
  bytes.set(wireName, headBytes);
  let at = headBytes + wireName.length;
  view.setUint16(at, typeNumbers[type]);
  view.setUint16(at + 2, internet);
  if (extended) {
    at += 5;
    view.setUint16(at, typeNumbers.OPT);
    view.setUint16(at + 2, maxUdpBytes);
  }
  return bytes;
}

/** Whether a message answers that question; anything else is somebody else's, or a forgery. */
export function isAnswerTo({ isResponse, id, question }: DnsMessage, asked: Question, askedId: number): boolean {
  return isResponse && id === askedId && question !== undefined &&
    question.name === asked.name && question.type === typeNumbers[asked.type];
}

/** Reads one whole message. Throws `data_loss`, nothing else. */
export function decodeMessage(bytes: Uint8Array): DnsMessage {
  if (bytes.length < headBytes) throw malformed(`it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.getUint16(2);
  const isTruncated = (flags & 0x0200) !== 0;
  const reader = new RecordReader(bytes, view);
  const question = reader.questions(view.getUint16(4));
  const [answers, authorities, additionals] = reader.sections(
    [view.getUint16(6), view.getUint16(8), view.getUint16(10)], isTruncated);
  return {
    id: view.getUint16(0), isResponse: (flags & 0x8000) !== 0, isAuthoritative: (flags & 0x0400) !== 0, isTruncated,
    code: flags & 0x000f, question, answers: answers ?? [], authorities: authorities ?? [],
    additionals: additionals ?? [],
  };
}

class RecordReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = headBytes;

  constructor(bytes: Uint8Array, view: DataView) {
    this.#bytes = bytes;
    this.#view = view;
  }

  questions(count: number): DnsMessage["question"] {
    let question: DnsMessage["question"];
    for (let i = 0; i < count; i++) {
      const { name, end } = readName(this.#bytes, this.#at);
      this.#need(end, 4);
      if (count === 1 && this.#view.getUint16(end + 2) === internet) {
        question = { name, type: this.#view.getUint16(end) };
      }
      this.#at = end + 4;
    }
    return question;
  }

  /** A truncated message may end within any of them; it will be asked for again as a whole. */
  sections(counts: readonly number[], isTruncated: boolean): DnsRecord[][] {
    return counts.map((count) => {
      const records: DnsRecord[] = [];
      if (isTruncated) return records;
      for (let i = 0; i < count; i++) records.push(this.#record());
      return records;
    });
  }

  #record(): DnsRecord {
    const { name, end } = readName(this.#bytes, this.#at);
    this.#need(end, 10);
    const type = this.#view.getUint16(end);
    const isInternet = this.#view.getUint16(end + 2) === internet;
    // Of 31 bits; with the highest set it counts as 0 (RFC 2181 section 8).
    const ttl = this.#view.getUint32(end + 4);
    const length = this.#view.getUint16(end + 8);
    const start = end + 10;
    this.#need(start, length);
    this.#at = start + length;
    const data = isInternet ? this.#data(type, start, length) : other;
    return { name, ttlSeconds: ttl > 0x7fff_ffff ? 0 : ttl, data };
  }

  #data(type: number, start: number, length: number): RecordData {
    const read = readers.get(type);
    if (read === undefined) return other;
    // Pointers of names within lead back into the message, and nothing reads on beyond the record.
    const bytes = this.#bytes.subarray(0, start + length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    try {
      return read.data(bytes, view, start);
    } catch (error) {
      return { kind: "malformed", type: read.type, why: error instanceof Error ? error.message : String(error) };
    }
  }

  #need(at: number, length: number): void {
    if (at + length > this.#bytes.length) throw malformed("a record ends beyond the message");
  }
}

const other: RecordData = { kind: "other" };

interface DataReader {
  readonly type: string;
  readonly data: (bytes: Uint8Array, view: DataView, start: number) => RecordData;
}

const readers: ReadonlyMap<number, DataReader> = new Map<number, DataReader>([
  [typeNumbers.A, { type: "A", data: (bytes, _, at) => readAddress("A", bytes.subarray(at), 4) }],
  [typeNumbers.AAAA, { type: "AAAA", data: (bytes, _, at) => readAddress("AAAA", bytes.subarray(at), 16) }],
  [typeNumbers.CNAME, {
    type: "CNAME", data: (bytes, _, at) => ({ kind: "CNAME", target: wholeName(bytes, at) }),
  }],
  [typeNumbers.SRV, {
    type: "SRV",
    data(bytes, view, at) {
      if (bytes.length < at + 7) throw malformed("an SRV record has less than 7 bytes");
      return {
        kind: "SRV", priority: view.getUint16(at), weight: view.getUint16(at + 2), port: view.getUint16(at + 4),
        target: wholeName(bytes, at + 6),
      };
    },
  }],
  [typeNumbers.SOA, {
    type: "SOA",
    data(bytes, view, at) {
      const end = readName(bytes, readName(bytes, at).end).end;
      if (bytes.length !== end + 20) throw malformed("an SOA record does not end with five numbers");
      return { kind: "SOA", minimumSeconds: Math.min(view.getUint32(end + 16), 0x7fff_ffff) };
    },
  }],
  [typeNumbers.TXT, { type: "TXT", data: (bytes, _, at) => ({ kind: "TXT", texts: readTexts(bytes, at) }) }],
]);

function readAddress(kind: "A" | "AAAA", bytes: Uint8Array, size: number): RecordData {
  if (bytes.length !== size) throw malformed(`an ${kind} record has ${bytes.length} bytes, not ${size}`);
  return { kind, address: ipText(bytes) };
}

function wholeName(bytes: Uint8Array, at: number): string {
  const { name, end } = readName(bytes, at);
  if (end !== bytes.length) throw malformed("a record goes on after its name");
  return name;
}

/** Strings of up to 255 bytes, each after its length. */
function readTexts(bytes: Uint8Array, start: number): string[] {
  const texts: string[] = [];
  const decoder = new TextDecoder();
  for (let at = start; at < bytes.length;) {
    const end = at + 1 + (bytes[at] as number);
    if (end > bytes.length) throw malformed("a text ends beyond its record");
    texts.push(decoder.decode(bytes.subarray(at + 1, end)));
    at = end;
  }
  return texts;
}

const codeNames: readonly string[] = [
  "no error", "the question was not understood (FORMERR)", "the server failed (SERVFAIL)", "no such name (NXDOMAIN)",
  "such questions are not implemented (NOTIMP)", "refused (REFUSED)",
];

/** A response code in words. */
export function describeCode(code: number): string {
  return codeNames[code] ?? `response code ${code}`;
}
