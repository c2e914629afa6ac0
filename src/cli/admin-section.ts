/** The section `admin` of a configuration, as the options of an admin service. */
import type { ServeOptions } from "../admin/index.ts";
import type { Config } from "../config/index.ts";
import { besideFile } from "../runtime/node/index.ts";

/** `path` is the configuration's, from whose folder the token's file is looked for. */
export function adminOptions(section: NonNullable<Config["admin"]>, path: string | undefined): ServeOptions {
  const { host, port, tokenFile } = section;
  return {
    ...(host !== undefined && { host }), ...(port !== undefined && { port }),
    ...(tokenFile !== undefined && { token: { file: path === undefined ? tokenFile : besideFile(path, tokenFile) } }),
  };
}
