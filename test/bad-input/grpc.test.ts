import { grpcSpoken } from "./http-harness.ts";
import { badCalls } from "./http-cases.ts";
badCalls(grpcSpoken);
