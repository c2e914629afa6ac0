/** Apache Avro as a language of `meridian export` and `import`: .avpr both ways, .avdl and .avsc read. */
import { dirname, resolve } from "node:path";
import { exportAvro, importAvro, parseAvroProtocol } from "../contract/avro/index.ts";
import { RpcError } from "../core/index.ts";
import { readTextIfThere } from "./files.ts";
import type { Language } from "./languages.ts";

export const avro: Language = {
  name: "avro",
  endings: ["avpr", "avdl", "avsc"],
  export: ({ contracts }) => contracts.map((contract) => {
    const text = exportAvro(contract, { omit: true });
    if (parseAvroProtocol(text).messages.size < Object.keys(contract.methods).length) {
      const { meridian } = JSON.parse(text) as { meridian: { omitted: Record<string, string> } };
      for (const [name, why] of Object.entries(meridian.omitted)) {
        process.stderr.write(`${contract.name}: ${name} is left out: ${why}\n`);
      }
    }
    return { path: `${contract.name.replaceAll(".", "/")}.avpr`, text };
  }),
  import([first = "", ...more], { folders, from }) {
    if (more.length > 0) {
      throw new RpcError("invalid_argument",
        `${more.join(", ")}: one file of Avro is read at once; import it from ${first}`);
    }
    return importAvro(readTextIfThere(first) ?? "", first, {
      from,
      resolve(name, importer) {
        for (const folder of [dirname(importer), ...folders]) {
          const path = resolve(folder, name);
          const text = readTextIfThere(path);
          if (text !== undefined) return { path, text };
        }
        throw new RpcError("not_found", `${importer}: there is no file ${name} to import`);
      },
    });
  },
};
