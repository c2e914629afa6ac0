/** nginx and HAProxy as docs/proxies.md configures them. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../bench/harness/process.ts";
import { readSnippets } from "../docs/snippets.ts";
import { type Running, startProxy } from "./programs.ts";

const { files } = readSnippets("docs/proxies.md");

/** A documented file with its ports replaced; the servers' are 7001 and 7002. */
function configuration(name: string, ports: Readonly<Record<string, number>>): string {
  const text = files.get(name);
  if (text === undefined) throw new Error(`docs/proxies.md lacks ${name}`);
  return text.replaceAll(/(?<=:|listen )70\d\d\b/g, (port) => {
    const replaced = ports[port];
    if (replaced === undefined) throw new Error(`docs/proxies.md: nobody gave a port for ${port} of ${name}`);
    return String(replaced);
  });
}

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "meridian-proxies-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  // nginx started by root works as another user, who must be able to enter.
  chmodSync(directory, 0o755);
  return directory;
}

/** In front of one server, or of two. */
export async function startNginx(serverPort: number, secondPort = serverPort): Promise<Running> {
  const directory = scratch();
  const port = await freePort();
  // Where it may write, which is the machine's matter and no documentation's.
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `  ${name}_temp_path ${join(directory, name)};`);
  mkdirSync(join(directory, "logs"));
  const text = configuration("nginx.conf", { 7001: serverPort, 7002: secondPort, 7080: port })
    .replace("http {", ["http {", "  access_log off;", ...places].join("\n"));
  const path = join(directory, "nginx.conf");
  writeFileSync(path, text);
  const globals = `daemon off; pid ${join(directory, "nginx.pid")}; error_log stderr error;`;
  return startProxy("nginx", ["-p", directory, "-c", path, "-e", "stderr", "-g", globals], port);
}

/** The port of bytes, and that of calls. */
export async function startHaproxy(
  serverPort: number, secondPort = serverPort,
): Promise<{ tcp: number; http: number; stop(): Promise<void> }> {
  const directory = scratch();
  const [tcp, http] = [await freePort(), await freePort()];
  const path = join(directory, "haproxy.cfg");
  writeFileSync(path, configuration("haproxy.cfg", { 7001: serverPort, 7002: secondPort, 7081: tcp, 7082: http }));
  const { stop } = await startProxy("haproxy", ["-db", "-q", "-f", path], http);
  return { tcp, http, stop };
}
