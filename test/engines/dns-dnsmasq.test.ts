// Discovery by DNS over dnsmasq, which is told what to say by its configuration and a restart.
import { Resolver } from "node:dns/promises";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { endpointAddress } from "../../src/core/endpoint.ts";
import { dnsDiscovery } from "../../src/discovery/dns/index.ts";
import { discoveryCases, type DiscoveryHarness, type ServiceFields } from "../../src/testing/discovery.ts";
import { lacking } from "../peers/programs.ts";
import { textsOf } from "./dns.ts";
import { startEngine } from "./engine-process.ts";

const zone = "meridian.test";

function configuration(services: ServiceFields): string {
  const lines = [`host-record=here.${zone},127.0.0.1`];
  for (const [name, endpoints] of Object.entries(services)) {
    const owner = `_${name.toLowerCase().replaceAll(".", "-")}._tcp.${zone}`;
    for (const fields of endpoints) {
      const { address, priority, weight } = endpointAddress(fields);
      const [, host = "", port = ""] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
      const target = `h-${host.replaceAll(/[^0-9a-f]/g, "x")}-${port}.${zone}`;
      const texts = textsOf(fields);
      lines.push(`srv-host=${owner},${target},${port},${priority},${Math.floor(weight)}`,
        `host-record=${target},${host}`);
      if (texts.length > 0) lines.push(`txt-record=${target},${texts.join(",")}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

async function harness(services: ServiceFields): Promise<DiscoveryHarness> {
  let wanted = services;
  const server = await startEngine({
    name: "dnsmasq",
    command(port, folder) {
      mkdirSync(folder, { recursive: true });
      const file = join(folder, "dnsmasq.conf");
      writeFileSync(file, configuration(wanted));
      return ["dnsmasq", "-k", "-C", file, "--no-resolv", "--no-hosts", `--port=${port}`, "--listen-address=127.0.0.1",
        "--bind-interfaces", "--user=root", "--pid-file=", `--local=/${zone}/`, "--local-ttl=1"];
    },
    async answers(port) {
      const resolver = new Resolver({ timeout: 500, tries: 1 });
      resolver.setServers([`127.0.0.1:${port}`]);
      return (await resolver.resolve4(`here.${zone}`)).length === 1;
    },
  });
  // It never says that it is responsible for what it does not have.
  const discovery = dnsDiscovery({ servers: [server.address], domain: zone, texts: true, negative: "always" });
  return {
    discovery,
    async set(all) {
      wanted = all;
      await server.restart();
    },
    breakSource: () => server.kill(),
    async close() {
      await discovery.close();
      await server.stop();
    },
  };
}

describe("dns on dnsmasq", { skip: lacking("dnsmasq") }, () => {
  for (const { name, run } of discoveryCases(harness, { changes: true, failures: true })) {
    // A thousand SRV records are more than dnsmasq sends at once, by TCP too.
    if (!name.includes("thousand")) test(name, { timeout: 120_000 }, run);
  }
});
