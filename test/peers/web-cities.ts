/** What a page needs to call `Cities`: nothing of Node. */
import rows from "./cities.json" with { type: "json" };

export { Cities } from "../../examples/main-job/contract.ts";
export const places = rows.map(({ lat, lon }) => ({ lat, lon }));
