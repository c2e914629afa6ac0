/**
 * An HttpRule is where a method is found by plain HTTP: paths with fields of the request in them, as `google.api.http`
 * has it (https://github.com/googleapis/googleapis/blob/master/google/api/http.proto).
 */
import { RpcError } from "../../core/error.ts";
import { type PathTemplate, parseTemplate } from "./template.ts";

export const httpVerbs = ["get", "put", "post", "delete", "patch"] as const;
export type HttpVerb = (typeof httpVerbs)[number];

interface HttpPlace {
  /** What of the request the body is: all that no template names (`"*"`), or one field. Default: no body. */
  readonly body?: string | undefined;
  /** The field of the response that the response's body is. Default: all of it. */
  readonly responseBody?: string | undefined;
}

type OneVerb = {
  readonly [V in HttpVerb]: { readonly [W in V]: string } & { readonly [W in Exclude<HttpVerb, V>]?: undefined };
}[HttpVerb];

/** One path: `{ get: "/v1/cities/{name}" }`. */
export type HttpPath = OneVerb & HttpPlace;

/** How a method is declared: `http: { post: "/v1/cities:search", body: "*", additional: [{ get: "/v1/cities" }] }`. */
export type HttpRule = HttpPath & {
  /** Further paths of the same method. */
  readonly additional?: readonly HttpPath[] | undefined;
};

/** A path as servers and clients use it. */
export interface HttpBinding {
  /** In upper case, as HTTP has it. */
  readonly verb: "GET" | "PUT" | "POST" | "DELETE" | "PATCH";
  /** As declared. */
  readonly path: string;
  readonly template: PathTemplate;
  readonly body: string | undefined;
  readonly responseBody: string | undefined;
}

/** Most paths of one method. */
const maxPaths = 32;
const known = new Set<string>([...httpVerbs, "body", "responseBody", "additional"]);

/**
 * The bindings of a rule, the first first. Throws `invalid_argument` naming what is malformed. Whether the fields exist
 * is checked when a server implements the contract or a client calls it: types are read no sooner.
 */
export function readHttpRule(rule: HttpRule): readonly HttpBinding[] {
  const { additional = [], ...first } = rule;
  if (additional.length >= maxPaths) throw refused("additional", `has ${additional.length} paths; at most ${maxPaths}`);
  return [readPath(first, "http"), ...additional.map((one, i) => {
    if ("additional" in one) throw refused(`additional[${i}]`, "has further paths of its own; list them beside it");
    return readPath(one, `http.additional[${i}]`);
  })];
}

function readPath(given: HttpPath, where: string): HttpBinding {
  if (typeof given !== "object" || given === null) throw refused(where, "is no object such as { get: \"/v1/cities\" }");
  const stranger = Object.keys(given).find((name) => !known.has(name));
  if (stranger !== undefined) throw refused(`${where}.${stranger}`, `is not known; known are ${[...known].join(", ")}`);
  const verbs = httpVerbs.filter((verb) => given[verb] !== undefined);
  const [verb] = verbs;
  if (verb === undefined || verbs.length > 1) {
    throw refused(where, `names ${verbs.length === 0 ? "no HTTP method" : verbs.join(" and ")}; expected one of ` +
      httpVerbs.join(", "));
  }
  const path = given[verb] as string;
  const { body, responseBody } = given;
  const template = parseTemplate(path, `${where}.${verb}`);
  if (body !== undefined && (typeof body !== "string" || body === "")) {
    throw refused(`${where}.body`, "is neither a field nor *");
  }
  if (body !== undefined && (verb === "get" || verb === "delete")) {
    throw refused(`${where}.body`, `is ${JSON.stringify(body)}, but ${verb.toUpperCase()} has no body: ` +
      "what no template names comes in the query");
  }
  if (responseBody !== undefined && (typeof responseBody !== "string" || responseBody === "")) {
    throw refused(`${where}.responseBody`, "is no field");
  }
  return { verb: verb.toUpperCase() as HttpBinding["verb"], path, template, body, responseBody };
}

function refused(where: string, why: string): RpcError {
  return new RpcError("invalid_argument", `rpc: ${where} ${why}`);
}
