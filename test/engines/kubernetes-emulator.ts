/**
 * An emulator of the part of a Kubernetes API server that EndpointSlices need: not the real one, but a process of its
 * own that speaks its HTTP interface closely enough for kubectl (see kubernetes-kubectl.test.ts).
 *
 *     node kubernetes-emulator.ts PORT FOLDER [SETTINGS as JSON]
 *
 * Objects are kept in FOLDER, each change a line. Besides the API it takes POST /emulator with {"do": "compact"} and
 * other orders, by which tests bring about what a real server does by itself in time.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { text } from "node:stream/consumers";
import { resources, version } from "./kubernetes-emulator-discovery.ts";
import { Status } from "./kubernetes-emulator-status.ts";
import { type Kept, type Matches, selectorOf, SliceStore } from "./kubernetes-emulator-store.ts";

export interface EmulatorSettings {
  /** How often watches get a bookmark; about a minute in the real one. Default 60,000. */
  bookmarkMs?: number;
  /** Most events that watches can go back by. Default 1,000. */
  window?: number;
  /** Who may do what, by bearer token. Default: anybody everything. */
  tokens?: Record<string, { user: string; verbs?: string[]; namespaces?: string[] }>;
  /** Files of a certificate and its key: serves TLS. */
  tls?: { cert: string; key: string };
  /** The authority of clients' certificates, one of which is then as good as a token. */
  clientCa?: string;
}

/** What tests order. */
export type Order =
  | { do: "compact" }
  /** Ends all watches: in good order, or by cutting connections. */
  | { do: "endWatches"; how: "closed" | "cut" }
  | { do: "settings"; settings: EmulatorSettings }
  /** Keeps objects unchecked, as they are, in the place of all that the selector `instead` matches (empty: of all). */
  | { do: "put"; objects: Record<string, unknown>[]; instead: string }
  /** Answers so many of the next requests of the API with this status. */
  | { do: "refuse"; status: number; count: number }
  /** What was asked for so far. */
  | { do: "asked" };

interface Watching {
  readonly response: ServerResponse;
  readonly stop: () => void;
}

const [portText = "0", folder = ".", settingsText = "{}"] = process.argv.slice(2);
const settings = JSON.parse(settingsText) as EmulatorSettings;
const store = new SliceStore(folder, () => settings.window ?? 1_000);
const watches = new Set<Watching>();
const asked: string[] = [];
let refusing = { status: 0, count: 0 };

const base = "/apis/discovery.k8s.io/v1";
const slicePath = /^\/apis\/discovery\.k8s\.io\/v1(?:\/namespaces\/([^/]+))?\/endpointslices(?:\/([^/]+))?$/;

const listener: RequestListener = (request, response) => {
  handle(request, response).catch((error: unknown) => {
    const status = error instanceof Status ? error : new Status(500, "InternalError", String(error));
    if (response.headersSent) response.destroy();
    else send(response, status.code, status.body());
  });
};

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://emulator");
  if (url.pathname === "/emulator") return obey(JSON.parse(await text(request)) as Order, response);
  asked.push(`${request.method} ${url.pathname}${url.search}`);
  if (asked.length > 10_000) asked.shift();
  if (["/livez", "/readyz", "/healthz"].includes(url.pathname)) return void response.end("ok");
  if (refusing.count > 0) {
    refusing.count--;
    throw new Status(refusing.status, "Expired", "refused by order of the test");
  }
  const user = authenticate(request);
  if (url.pathname === "/version") return send(response, 200, version);
  const found = slicePath.exec(url.pathname);
  if (found === null) {
    const known = resources[url.pathname];
    if (known === undefined) throw new Status(404, "NotFound", "the server could not find the requested resource");
    return send(response, 200, known);
  }
  const [, namespace = "", name] = found.map((part) => (part === undefined ? part : decodeURIComponent(part)));
  authorize(user, verbOf(request.method ?? "GET", name, url), namespace);
  await serve(request, response, url, namespace, name);
}

async function serve(
  request: IncomingMessage, response: ServerResponse, url: URL, namespace: string, name: string | undefined,
): Promise<void> {
  const isWatch = ["true", "1"].includes(url.searchParams.get("watch") ?? "");
  switch (request.method) {
    case "GET":
      if (name !== undefined) return send(response, 200, store.get(namespace, name).object);
      return isWatch ? watch(response, url, namespace) : send(response, 200, list(url, namespace));
    case "POST": {
      const { object } = store.create(namespace, JSON.parse(await text(request)) as Record<string, unknown>);
      return send(response, 201, object);
    }
    case "PUT": {
      const given = JSON.parse(await text(request)) as Record<string, unknown>;
      const { object } = store.replace(namespace, name ?? "", given);
      return send(response, 200, object);
    }
    case "PATCH": {
      const { object } = store.patch(namespace, name ?? "", JSON.parse(await text(request)) as Record<string, unknown>);
      return send(response, 200, object);
    }
    case "DELETE": {
      if (name === undefined) {
        store.removeAll(namespace, matching(url, namespace));
        return send(response, 200, new Status(200, "", "").body());
      }
      return send(response, 200, store.remove(namespace, name).object);
    }
    default:
      throw new Status(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
  }
}

function list(url: URL, namespace: string): object {
  const page = store.list(matching(url, namespace), Number(url.searchParams.get("limit") ?? 0),
    url.searchParams.get("continue") ?? "");
  return {
    kind: "EndpointSliceList", apiVersion: "discovery.k8s.io/v1",
    metadata: {
      resourceVersion: String(page.version),
      ...(page.token === "" ? {} : { continue: page.token, remainingItemCount: page.remaining }),
    },
    items: page.objects.map(({ object }) => object),
  };
}

function watch(response: ServerResponse, url: URL, namespace: string): void {
  const matches = matching(url, namespace);
  const from = url.searchParams.get("resourceVersion") ?? "";
  const seconds = Number(url.searchParams.get("timeoutSeconds") ?? 0) || 1_800 + Math.random() * 1_800;
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  const tell = (type: string, object: object): void => void response.write(`${JSON.stringify({ type, object })}\n`);
  // Of an object that no longer matches the selector a watch hears as of one that is gone.
  const pass = (before: Kept | undefined, after: Kept | undefined, object: object): void => {
    const [was, is] = [before !== undefined && matches(before), after !== undefined && matches(after)];
    if (was || is) tell(is ? (was ? "MODIFIED" : "ADDED") : "DELETED", object);
  };
  if (from === "" || from === "0") {
    for (const kept of store.all().filter(matches)) tell("ADDED", kept.object);
  } else {
    const missed = store.since(Number(from));
    if (missed === undefined) {
      tell("ERROR", new Status(410, "Expired", `too old resource version: ${from} (${store.oldest})`).body());
      return void response.end();
    }
    for (const { before, after, object } of missed) pass(before, after, object);
  }
  const unsubscribe = store.subscribe(({ before, after, object }) => pass(before, after, object));
  let bookmarks: NodeJS.Timeout | undefined;
  const timeout = setTimeout(() => response.end(), seconds * 1_000);
  const mark = (): void => {
    tell("BOOKMARK", {
      kind: "EndpointSlice", apiVersion: "discovery.k8s.io/v1", endpoints: null, ports: null, addressType: "",
      metadata: { resourceVersion: String(store.version), creationTimestamp: null },
    });
    bookmarks = setTimeout(mark, settings.bookmarkMs ?? 60_000);
  };
  const wanted = url.searchParams.get("allowWatchBookmarks") === "true";
  if (wanted) bookmarks = setTimeout(mark, settings.bookmarkMs ?? 60_000);
  const one: Watching = { response, stop: unsubscribe };
  watches.add(one);
  response.once("close", () => {
    unsubscribe();
    clearTimeout(timeout);
    clearTimeout(bookmarks);
    watches.delete(one);
  });
}

function matching(url: URL, namespace: string): Matches {
  const selected = selectorOf(url.searchParams.get("labelSelector") ?? "");
  const name = /^metadata\.name=(.+)$/.exec(url.searchParams.get("fieldSelector") ?? "")?.[1];
  return (kept) => (namespace === "" || kept.namespace === namespace) && (name === undefined || kept.name === name) &&
    selected(kept.labels);
}

type User = { user: string; verbs?: string[]; namespaces?: string[] };

function authenticate(request: IncomingMessage): User {
  const { tokens } = settings;
  if (tokens === undefined) return { user: "anybody" };
  const [, token = ""] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
  const known = Object.hasOwn(tokens, token) ? tokens[token] : undefined;
  if (known !== undefined) return known;
  if ((request.socket as { authorized?: boolean }).authorized === true) return { user: "by certificate" };
  throw new Status(401, "Unauthorized", "Unauthorized");
}

function authorize({ user, verbs, namespaces }: User, verb: string, namespace: string): void {
  if ((verbs?.includes(verb) ?? true) && (namespaces?.includes(namespace) ?? true)) return;
  throw new Status(403, "Forbidden", `endpointslices.discovery.k8s.io is forbidden: User "${user}" cannot ${verb} ` +
    `resource "endpointslices" in API group "discovery.k8s.io" in the namespace "${namespace}"`);
}

function verbOf(method: string, name: string | undefined, url: URL): string {
  if (method === "GET") return name !== undefined ? "get" : url.searchParams.has("watch") ? "watch" : "list";
  return { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" }[method] ?? method.toLowerCase();
}

function obey(order: Order, response: ServerResponse): void {
  if (order.do === "compact") store.compact();
  else if (order.do === "settings") Object.assign(settings, order.settings);
  else if (order.do === "put") store.put(order.objects, selectorOf(order.instead));
  else if (order.do === "refuse") refusing = { status: order.status, count: order.count };
  else if (order.do === "endWatches") {
    for (const { response: stream } of [...watches]) {
      if (order.how === "cut") stream.destroy();
      else stream.end();
    }
  }
  send(response, 200, { asked, watches: watches.size, version: store.version });
}

function send(response: ServerResponse, status: number, body: object): void {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(status, { "content-type": "application/json", "content-length": bytes.length });
  response.end(bytes);
}

const server = settings.tls === undefined ? createServer(listener) : createSecureServer({
  cert: readFileSync(settings.tls.cert), key: readFileSync(settings.tls.key),
  requestCert: settings.clientCa !== undefined, rejectUnauthorized: false,
  ...(settings.clientCa === undefined ? {} : { ca: readFileSync(settings.clientCa) }),
}, listener);
server.listen(Number(portText), "127.0.0.1", () => console.log(`serving ${base} in ${folder}`));
