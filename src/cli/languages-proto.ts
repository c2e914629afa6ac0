/** Protocol Buffers as a language of `meridian export` and `import`. */
import { describePosition } from "../contract/proto/parse-error.ts";
import { exportProtoFiles, importProto } from "../contract/proto/index.ts";
import { importPath, resolverOf } from "./files.ts";
import type { Language } from "./languages.ts";

export const proto: Language = {
  name: "proto",
  endings: ["proto"],
  export: ({ contracts, facts, types }) => exportProtoFiles(contracts, { facts, types }),
  import(files, { folders, from }) {
    const roots = files.map((file) => importPath(file, folders));
    const { text, dropped } = importProto(roots, resolverOf(folders), { from });
    return {
      text,
      notes: dropped.map(({ position, name }) =>
        `${describePosition(position)}: the custom option ${name} is left out`),
    };
  },
};
