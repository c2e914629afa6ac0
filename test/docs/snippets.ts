/**
 * Code of a document: its fenced blocks as files that compile and run, and the output it says they print.
 *
 * ```` ```ts file=NAME ```` is a part of the file NAME (parts of one name are joined in order); what a program
 * prints stands under ```` ```text output=NAME ````. Package specifiers become paths to the sources, and the ports
 * 7000 to 7099 become free ones.
 */
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

/** A document's programs. */
export interface Snippets {
  readonly document: string;
  readonly files: ReadonlyMap<string, string>;
  /** The programs that the document runs, in its order, and what they print. */
  readonly outputs: ReadonlyMap<string, string>;
}

const fence = /^```\w+(?: ([^\n]*))?\n(.*?)^```$/gms;

/** Reads a document; its path is relative to the repository. */
export function readSnippets(document: string): Snippets {
  const files = new Map<string, string>();
  const outputs = new Map<string, string>();
  for (const [, info = "", body = ""] of readFileSync(`${root}${document}`, "utf8").matchAll(fence)) {
    const output = /\boutput=(\S+)/.exec(info)?.[1];
    const file = /\bfile=(\S+)/.exec(info)?.[1];
    if (output !== undefined) outputs.set(output, body);
    else if (file !== undefined) files.set(file, (files.get(file) ?? "") + body);
  }
  return { document, files, outputs };
}

/** The same with specifiers and ports that work in a directory three levels below the root. */
export async function runnable(snippets: Snippets): Promise<Snippets> {
  const ports = new Map<string, string>();
  const texts = [...snippets.files.values(), ...snippets.outputs.values()].join("\n");
  for (const [port] of texts.matchAll(/\b70\d\d\b/g)) if (!ports.has(port)) ports.set(port, await freePort());
  const translate = (text: string): string => text
    .replaceAll(/\b70\d\d\b/g, (port) => ports.get(port) ?? port)
    .replaceAll(/"meridian-rpc((?:\/[\w/]+)?)"/g, '"../../../src$1/index.ts"');
  const translated = (texts: ReadonlyMap<string, string>): Map<string, string> =>
    new Map([...texts].map(([name, text]) => [name, translate(text)]));
  return { ...snippets, files: translated(snippets.files), outputs: translated(snippets.outputs) };
}

function freePort(): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(String(port)));
    });
  });
}
