// What docs/discovery-etcd.md shows compiles and runs, and lies in etcd under the key that it names.
import { etcd } from "./etcd.ts";
import { Ctl } from "./etcd-ctl.ts";
import { testPage } from "./page.ts";

testPage(etcd, "docs/discovery-etcd.md", "127.0.0.1:2379",
  ({ address }, entered) => new Ctl(address).has(`meridian/geo.v1.Cities/${entered}`));
