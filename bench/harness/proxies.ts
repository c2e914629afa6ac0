// What can stand between client and server: nginx, HAProxy and Meridian's gateway, each started for one trial.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Proxy } from "./measure.ts";
import { freePort, pinned, startChild, stopProcess } from "./process.ts";

/** Servers live in sbin, which a user's PATH may lack. */
const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };

export function isInstalled(program: "nginx" | "haproxy"): boolean {
  return spawnSync(program, ["-v"], { stdio: "ignore", env }).status === 0;
}

/** nginx as a gRPC proxy: it ends the client's HTTP/2 and speaks HTTP/2 to the server, as in front of any gRPC. */
export function startNginx(serverPort: number): Promise<Proxy> {
  return startProxy((port, directory) => {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${directory}/${name};`);
    writeFileSync(join(directory, "nginx.conf"), `
      daemon off;
      worker_processes 1;
      pid ${directory}/nginx.pid;
      error_log stderr error;
      events { worker_connections 4096; }
      http {
        access_log off;
        ${temporary.join(" ")}
        # By default it closes a connection after a thousand calls, which would measure connecting.
        keepalive_requests 1000000000;
        http2_max_concurrent_streams 1024;
        upstream grpc {
          server 127.0.0.1:${serverPort};
          keepalive 1024;
          keepalive_requests 1000000000;
        }
        server {
          listen 127.0.0.1:${port} http2;
          location / { grpc_pass grpc://grpc; }
        }
      }
    `);
    return ["nginx", "-p", directory, "-c", join(directory, "nginx.conf"), "-e", "stderr"];
  });
}

/** HAProxy in TCP mode: it forwards bytes and knows nothing of calls. */
export function startHaproxy(serverPort: number): Promise<Proxy> {
  return startProxy((port, directory) => {
    writeFileSync(join(directory, "haproxy.cfg"), `
global
  maxconn 4096
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend in
  bind 127.0.0.1:${port}
  default_backend out
backend out
  server only 127.0.0.1:${serverPort}
`);
    // -db: stays in the foreground, so that ending it ends all of it.
    return ["haproxy", "-db", "-q", "-f", join(directory, "haproxy.cfg")];
  });
}

/** Meridian's gateway with its defaults. */
export async function startGateway(serverPort: number): Promise<Proxy> {
  const port = await freePort();
  const child = startChild("between", ["meridian", String(port), String(serverPort)]);
  try {
    await child.next("ready", 20_000);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return { port, pid: child.pid, stop: () => child.stop() };
}

/** Runs the command that `configure` answers; its files are in a directory of its own, which goes with it. */
async function startProxy(configure: (port: number, directory: string) => readonly string[]): Promise<Proxy> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "meridian-bench-"));
  // nginx started by root works as another user, who must be able to enter.
  chmodSync(directory, 0o755);
  const [program = "", ...args] = pinned("between", configure(port, directory));
  const child = spawn(program, args, { stdio: ["ignore", 2, 2], env });
  const failed = Promise.withResolvers<never>();
  child.once("error", failed.reject);
  child.once("exit", (code) => failed.reject(new Error(`${program} ended with ${code}`)));
  const stop = async (): Promise<void> => {
    await stopProcess(child);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await Promise.race([failed.promise, accepting(port)]);
  } catch (error) {
    await stop();
    throw error;
  }
  // Its end is no surprise from here on.
  failed.promise.catch(() => {});
  return { port, pid: child.pid ?? 0, stop };
}

/** Resolves once somebody accepts connections there. */
async function accepting(port: number): Promise<void> {
  const tries = 200;
  for (let i = 0; i < tries; i++) {
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (accepted) return;
    await sleep(25);
  }
  throw new Error(`nobody listens on 127.0.0.1:${port} after ${tries * 25} ms`);
}
