// What docs/discovery-consul.md shows compiles and runs.
import { consul } from "./consul.ts";
import { testPage } from "./page.ts";

testPage(consul, "docs/discovery-consul.md", "127.0.0.1:8500");
