/**
 * A path table finds the method of a path: templates compiled to a trie of segments, in which text goes before `*`, and
 * `*` before `**`.
 */
import { declaredPaths, standardPaths, type BoundPath } from "../../contract/http/bindings.ts";
import { shapeOf } from "../../contract/http/template.ts";
import type { AnyContract } from "../../contract/service.ts";
import { RpcError } from "../../core/error.ts";

/** What of a path was found. */
export type Found =
  /** `values` are those of the template's variables. */
  | { readonly kind: "found"; readonly path: BoundPath; readonly values: readonly string[] }
  /** There is such a path, but not with this method of HTTP. */
  | { readonly kind: "method"; readonly allowed: readonly string[]; readonly isDeclared: boolean }
  | { readonly kind: "none" };

interface Node {
  readonly literals: Map<string, Node>;
  one: Node | undefined;
  /** Paths that end here, and those that take all that follows: by custom verb (empty for none) and HTTP method. */
  readonly ends: Map<string, Map<string, BoundPath>>;
  readonly rests: Map<string, Map<string, BoundPath>>;
}

/** Longer paths, and those of more segments, are no paths here. */
const maxChars = 8_192;
const maxSegments = 256;
const none: Found = Object.freeze({ kind: "none" });

export class PathTable {
  readonly #root: Node = createNode();
  readonly #shapes = new Map<string, BoundPath>();
  readonly #contracts: AnyContract[] = [];

  /** The contracts whose paths it has. */
  get contracts(): readonly AnyContract[] {
    return this.#contracts;
  }

  /** The paths that contracts declare, in their order. */
  get declared(): readonly BoundPath[] {
    return [...this.#shapes.values()].filter(({ isDeclared }) => isDeclared);
  }

  /**
   * The paths of a contract, to be given to {@link add}. Throws `invalid_argument` for a template whose field is not
   * there or no scalar, and `already_exists` naming both methods where two would have one path.
   */
  plan(contract: AnyContract): readonly BoundPath[] {
    const own = new Map<string, BoundPath>();
    const methods = Object.values(contract.methods);
    for (const path of [...methods.flatMap(declaredPaths), ...methods.flatMap(standardPaths)]) {
      const shape = `${path.verb} ${shapeOf(path.template)}`;
      const other = this.#shapes.get(shape) ?? own.get(shape);
      if (other === undefined) own.set(shape, path);
      else if (other.method !== path.method) {
        throw new RpcError("already_exists", `${path.verb} ${path.path} of ${path.method.path} takes the same paths ` +
          `as ${other.path} of ${other.method.path}: change one of them`);
      } else if (path.isDeclared && other.isDeclared) {
        throw new RpcError("already_exists", `${path.method.path} has ${path.verb} ${path.path} twice`);
      }
    }
    return [...own.values()];
  }

  /** Adds what {@link plan} gave for `contract`. */
  add(contract: AnyContract, paths: readonly BoundPath[]): void {
    this.#contracts.push(contract);
    for (const path of paths) {
      this.#shapes.set(`${path.verb} ${shapeOf(path.template)}`, path);
      this.#insert(path);
    }
  }

  /** `path` is that of a request, without its query. */
  find(verb: string, path: string): Found {
    if (path.length > maxChars || !path.startsWith("/")) return none;
    const raw = path.slice(1).split("/", maxSegments + 1);
    if (raw.length > maxSegments) return none;
    const segments: string[] = [];
    for (const one of raw) {
      const text = decoded(one);
      if (text === undefined) return none;
      segments.push(text);
    }
    const allowed = new Set<string>();
    const search: Search = { verb, raw, segments, allowed, isDeclared: false };
    const found = walk(this.#root, 0, search);
    if (found !== undefined) return { kind: "found", path: found, values: valuesOf(found, search) };
    return allowed.size === 0 ? none : { kind: "method", allowed: [...allowed], isDeclared: search.isDeclared };
  }

  /** Declared paths that look most like one that is not there, at most `most` of them. */
  near(path: string, most: number): readonly string[] {
    const wanted = path.split("/", maxSegments);
    const scored = [...this.#shapes.values()].map((one) => {
      const its = one.path.split("/");
      let score = 0;
      while (score < its.length && its[score] === wanted[score]) score++;
      const isDeclared = one.isDeclared ? 0.5 : 0;
      return { one, score: score + isDeclared + (its.length === wanted.length ? 0.25 : 0) };
    });
    return scored.filter(({ one, score }) => score > 1.5 || one.isDeclared).sort((a, b) => b.score - a.score)
      .slice(0, most).map(({ one }) => `${one.verb} ${one.path}`);
  }

  #insert(path: BoundPath): void {
    const { segments, verb = "" } = path.template;
    let node = this.#root;
    for (const segment of segments) {
      if (segment.kind === "rest") break;
      if (segment.kind === "one") node = node.one ??= createNode();
      else {
        let next = node.literals.get(segment.text);
        if (next === undefined) node.literals.set(segment.text, next = createNode());
        node = next;
      }
    }
    const ends = segments.at(-1)?.kind === "rest" ? node.rests : node.ends;
    const byMethod = ends.get(verb) ?? new Map<string, BoundPath>();
    byMethod.set(path.verb, path);
    ends.set(verb, byMethod);
  }
}

function createNode(): Node {
  return { literals: new Map(), one: undefined, ends: new Map(), rests: new Map() };
}

interface Search {
  readonly verb: string;
  readonly raw: readonly string[];
  readonly segments: readonly string[];
  readonly allowed: Set<string>;
  /** Whether one of those that are allowed was declared. */
  isDeclared: boolean;
}

/** Each node is entered at most once, since one way alone leads to it. */
function walk(node: Node, at: number, search: Search): BoundPath | undefined {
  const { segments } = search;
  if (at === segments.length) return ending(node.ends, "", search) ?? ending(node.rests, "", search);
  const text = segments[at] as string;
  const isLast = at === segments.length - 1;
  const colon = isLast ? text.lastIndexOf(":") : -1;
  if (colon > 0) {
    // What follows the last colon is a custom verb, if there is a template with it.
    const found = custom(node, text.slice(0, colon), text.slice(colon + 1), search);
    if (found !== undefined) return found;
  }
  const literal = node.literals.get(text);
  const below = literal === undefined ? undefined : walk(literal, at + 1, search);
  if (below !== undefined) return below;
  // An empty segment is no value.
  const through = node.one === undefined || text === "" ? undefined : walk(node.one, at + 1, search);
  if (through !== undefined) return through;
  if (node.rests.size === 0) return undefined;
  const last = segments.at(-1) as string;
  const restColon = last.lastIndexOf(":");
  return (restColon < 0 ? undefined : ending(node.rests, last.slice(restColon + 1), search)) ??
    ending(node.rests, "", search);
}

function custom(node: Node, text: string, verb: string, search: Search): BoundPath | undefined {
  const literal = node.literals.get(text);
  return (literal === undefined ? undefined : ending(literal.ends, verb, search)) ??
    (node.one === undefined ? undefined : ending(node.one.ends, verb, search));
}

function ending(ends: Node["ends"], custom: string, search: Search): BoundPath | undefined {
  const { verb, allowed } = search;
  const byMethod = ends.get(custom);
  if (byMethod === undefined) return undefined;
  const found = byMethod.get(verb) ?? (verb === "HEAD" ? byMethod.get("GET") : undefined);
  if (found !== undefined) return found;
  for (const [method, { isDeclared }] of byMethod) {
    allowed.add(method);
    if (isDeclared) search.isDeclared = true;
    if (method === "GET") allowed.add("HEAD");
  }
  return undefined;
}

function valuesOf({ template }: BoundPath, { raw, segments }: Search): string[] {
  const verb = template.verb === undefined ? 0 : template.verb.length + 1;
  const endsWithRest = template.segments.at(-1)?.kind === "rest";
  return template.variables.map(({ from, to, isMany }) => {
    const reachesEnd = to === template.segments.length;
    const end = reachesEnd && endsWithRest ? segments.length : to;
    if (!isMany) {
      const text = segments[from] as string;
      return reachesEnd && verb > 0 ? text.slice(0, -verb) : text;
    }
    // Of a value with slashes of its own, an escaped slash stays escaped: it is no separator (google.api.http).
    const text = raw.slice(from, end).map(decodedButSlashes).join("/");
    return reachesEnd && verb > 0 ? text.slice(0, -verb) : text;
  });
}

function decoded(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function decodedButSlashes(segment: string): string {
  return segment.split(/(%2[Ff])/).map((part, i) => (i % 2 === 1 ? part : decoded(part) ?? part)).join("");
}
