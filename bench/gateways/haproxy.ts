// HAProxy: in TCP mode it forwards bytes and knows nothing of calls.
import { run, type Stop } from "./program.ts";

export function forward(port: number, serverPort: number): Promise<Stop> {
  return start(port, serverPort, { mode: "tcp", server: "" });
}

/** In HTTP mode: it ends the client's HTTP/2, balances calls, and speaks HTTP/2 to the server. */
export function forwardCalls(port: number, serverPort: number): Promise<Stop> {
  return start(port, serverPort, { mode: "http", server: " proto h2" });
}

function start(port: number, serverPort: number, { mode, server }: { mode: string; server: string }): Promise<Stop> {
  return run({
    program: "haproxy", port,
    configuration: () => `
global
  maxconn 4096
  nbthread 1
defaults
  mode ${mode}
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend in
  bind 127.0.0.1:${port}
  default_backend out
backend out
  server only 127.0.0.1:${serverPort}${server}
`,
    // -db: stays in the foreground, so that ending it ends all of it.
    args: (_directory, path) => ["-db", "-q", "-f", path],
  });
}
