// nginx as a gRPC proxy: it ends the client's HTTP/2 and speaks HTTP/2 to the server.
import { run, type Stop } from "./program.ts";

export function forward(port: number, serverPort: number): Promise<Stop> {
  return run({
    program: "nginx", port,
    configuration: (directory) => configuration({ directory, port, serverPort }),
    args: (directory, path) => ["-p", directory, "-c", path, "-e", "stderr"],
  });
}

interface Place {
  readonly directory: string;
  readonly port: number;
  readonly serverPort: number;
}

function configuration({ directory, port, serverPort }: Place): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory}/${name};`);
  return `
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  ${temporary.join("\n  ")}
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
`;
}
