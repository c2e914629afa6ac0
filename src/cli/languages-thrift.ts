/** Apache Thrift as a language of `meridian export` and `import`. */
import { dirname, resolve } from "node:path";
import { exportThrift, importThrift } from "../contract/thrift/index.ts";
import { readTextIfThere } from "./files.ts";
import type { Language } from "./languages.ts";

export const thrift: Language = {
  name: "thrift",
  endings: ["thrift"],
  export: ({ contracts, types }) => exportThrift(contracts, { types }),
  import(files, { folders, from }) {
    return importThrift(files, (name, importer) => {
      const around = importer === undefined ? ["."] : [dirname(importer), ...folders];
      for (const folder of around) {
        const full = resolve(folder, name);
        const text = readTextIfThere(full);
        if (text !== undefined) return { path: importer === undefined ? name : full, text };
      }
      return undefined;
    }, { from });
  },
};
