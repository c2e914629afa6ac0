import { webSpoken, webTextSpoken } from "./http-harness.ts";
import { badCalls } from "./http-cases.ts";
badCalls(webSpoken);
badCalls(webTextSpoken);
