import { connectSpoken, connectStreamSpoken } from "./http-harness.ts";
import { badCalls } from "./http-cases.ts";
badCalls(connectSpoken);
badCalls(connectStreamSpoken);
