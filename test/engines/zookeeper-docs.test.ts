// What docs/discovery-zookeeper.md shows compiles and runs.
import { zookeeper } from "./zookeeper.ts";
import { testPage } from "./page.ts";

testPage(zookeeper, "docs/discovery-zookeeper.md", "127.0.0.1:2181");
