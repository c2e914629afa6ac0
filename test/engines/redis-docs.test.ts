// What docs/discovery-redis.md shows compiles and runs.
import { redis } from "./redis.ts";
import { testPage } from "./page.ts";

testPage(redis, "docs/discovery-redis.md", "127.0.0.1:6379");
