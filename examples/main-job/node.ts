// One process of the main job, in the role that its settings say. Started by the supervisor, and ends with it.
import { flushCompileCache } from "node:module";
import { removeFolder } from "./folder.ts";
import type { FromNode, NodeSettings } from "./messages.ts";

const settings = JSON.parse(process.argv[2] ?? "{}") as NodeSettings;
const send = (message: FromNode): void => void process.send?.(message);

// The channel closes when the supervisor ends, however it ends: no process is left behind.
process.once("disconnect", () => {
  // The registry is never killed, so it is the one to clear up after a supervisor that could not.
  if (settings.role === "registry") removeFolder(settings.folder);
  process.exit();
});
// Ctrl-C reaches the whole process group; the supervisor alone decides what it means.
process.on("SIGINT", () => undefined);

switch (settings.role) {
  case "registry": {
    const { hostRegistry } = await import("../../src/registry/index.ts");
    // There is nobody it could have forgotten, so its first word is good at once.
    const { address } = await hostRegistry({ settleMs: 0 });
    send({ kind: "ready", address });
    break;
  }
  case "server": {
    const { startServer } = await import("./server.ts");
    send({ kind: "ready", address: await startServer(settings) });
    break;
  }
  case "gateway": {
    const { startGateway } = await import("./gateway.ts");
    send({ kind: "ready", address: await startGateway(settings, send) });
    break;
  }
  case "client": {
    const { startCalling } = await import("./client.ts");
    startCalling(settings, send);
    send({ kind: "ready", address: "" });
    break;
  }
}
// Now, since a process that gets killed writes nothing at its end.
flushCompileCache();
