/** What pages call in the tests of the browser's client. */
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";

const city = z.object({ name: z.string(), population: z.int64(), lat: z.float64(), lon: z.float64() });

export const Cities = service("web.v1.Cities", {
  find: rpc({
    input: z.object({ name: z.string() }), output: city, safe: true,
    errors: { CityNotFound: { code: "not_found", data: z.object({ city: z.string() }) } },
  }),
  list: rpc({ kind: "server_stream", input: z.object({ count: z.int32(), pauseMs: z.int32() }), output: city }),
  never: rpc({ input: z.object({}), output: z.object({}) }),
  upload: rpc({ kind: "client_stream", input: city, output: z.object({ count: z.int32() }) }),
});
