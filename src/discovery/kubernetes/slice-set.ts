/** A SliceSet is all slices of one name as of one version of the cluster: listed, then kept up to date by events. */
import { RpcError } from "../../core/error.ts";
import { describe } from "../services.ts";
import { type Fault, nameOf, readSlice, type Slice } from "./slice.ts";

export class SliceSet {
  readonly #maxSlices: number;
  readonly #byName = new Map<string, Slice>();
  readonly #nameless: Fault[] = [];
  /** The cluster's version up to which this is true: opaque text, given back as it came. */
  version = "";

  constructor(maxSlices: number) {
    this.#maxSlices = maxSlices;
  }

  get slices(): Iterable<Slice> {
    return this.#byName.values();
  }

  /** Members of the list that could not even be told apart. */
  get faults(): readonly Fault[] {
    return this.#nameless;
  }

  /** Throws `resource_exhausted` when there are too many. */
  put(value: unknown): void {
    const name = nameOf(value);
    if (name === undefined) {
      if (this.#nameless.length < 10) {
        this.#nameless.push({ entry: "a slice", why: `it has no metadata.name: ${describe(value)}` });
      }
      return;
    }
    this.#byName.set(name, readSlice(name, value));
    if (this.#byName.size > this.#maxSlices) {
      throw new RpcError("resource_exhausted", `the service has more than ${this.#maxSlices} slices (maxSlices)`,
        { phase: "resolve" });
    }
  }

  remove(value: unknown): void {
    const name = nameOf(value);
    if (name !== undefined) this.#byName.delete(name);
  }
}

/** Of an object or a list: where in the history of the cluster it stands. */
export function versionOf(value: unknown): string {
  const { metadata } = (value ?? {}) as { metadata?: unknown };
  const { resourceVersion } = (metadata ?? {}) as { resourceVersion?: unknown };
  return typeof resourceVersion === "string" ? resourceVersion : "";
}
