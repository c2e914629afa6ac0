/** Calls that operators make by contract, with requests and replies in JSON, and the decision record of each. */
import { createMetadata, decisionTrailer, type Metadata, RpcError, whyMetadata } from "../core/index.ts";
import type { AnyContract, AnyMethod, CallOptions, Handlers } from "../contract/index.ts";
import { json } from "../codec/index.ts";
import { exportJsonSchema } from "../contract/openapi/index.ts";
import { Writer } from "../wire/writer.ts";
import { createClientOn } from "../client/create-client.ts";
import type { AdminState } from "./admin.ts";
import { auditing } from "./changes.ts";
import type { AdminContract } from "./contract.ts";

type All = Handlers<typeof AdminContract>;
type Rows = Awaited<ReturnType<All["contracts"]>>["methods"];
type CallReply = Awaited<ReturnType<All["call"]>> extends AsyncIterable<infer Item> ? Item : never;

const maxRequestChars = 1_000_000;
const maxReplies = 10_000;

/** One row a method, with JSON Schemas of request and reply that stand alone. */
export function contractRows(contracts: readonly AnyContract[]): Rows {
  return contracts.flatMap((contract) => Object.values(contract.methods).map((method) => ({
    service: method.service, method: method.name, kind: method.kind, idempotent: String(method.idempotent),
    description: (method as { readonly description?: string }).description ?? "",
    inputSchemaJson: schemaJson(method.input), outputSchemaJson: schemaJson(method.output),
  })));
}

function schemaJson({ model }: AnyMethod["input"]): string {
  if (model === undefined) return "{}";
  try {
    const { $defs, ...rest } = exportJsonSchema([], [model]) as { $defs: Record<string, unknown> };
    const [first] = Object.keys($defs);
    return JSON.stringify({ ...rest, $ref: `#/$defs/${first ?? ""}`, $defs });
  } catch {
    // A type without a schema (functions of a foreign library): a form can do no more than ask for JSON.
    return "{}";
  }
}

export function callHandler(state: AdminState): All["call"] {
  const clients = new Map<string, unknown>();
  return async function* (request, context) {
    const method = methodOf(state, request.service, request.method);
    const contract = (state.options.contracts ?? []).find(({ name }) => name === request.service) as AnyContract;
    const target = `${request.service}/${request.method}`;
    const input = auditing(state)(context, "call", target, "", () => readRequest(method, request.requestJson));
    let client = clients.get(contract.name);
    if (client === undefined) clients.set(contract.name, client = clientOf(state, contract));
    let trailer: Metadata = {};
    const options: CallOptions = {
      context, metadata: createMetadata({ ...request.metadata, [whyMetadata]: "1" }),
      ...(request.timeoutMs === undefined ? undefined : { timeoutMs: request.timeoutMs }),
      onMetadata: (_kind, metadata) => {
        trailer = { ...trailer, ...metadata };
      },
    };
    const call = (client as Record<string, (request: unknown, options: CallOptions) => unknown>)[method.name];
    try {
      const answer = call?.(input, options);
      if (method.kind === "unary" || method.kind === "client_stream") {
        yield { replyJson: writeJson(method, await answer) };
      } else {
        let replies = 0;
        for await (const item of answer as AsyncIterable<unknown>) {
          yield { replyJson: writeJson(method, item) };
          if (++replies >= maxReplies) throw new RpcError("resource_exhausted", `more than ${maxReplies} replies`);
        }
      }
      yield ended(state, "ok", "", trailer);
    } catch (error) {
      const failure = RpcError.from(error);
      yield ended(state, failure.code, failure.message, { ...trailer, ...failure.metadata });
    }
  };
}

function ended(state: AdminState, code: string, message: string, trailer: Metadata): CallReply {
  const decision = state.decisions?.find(trailer[decisionTrailer] ?? "");
  return { code, message, metadata: { ...trailer }, ...(decision === undefined ? undefined : { decision }) };
}

function methodOf({ options }: AdminState, service: string, name: string): AnyMethod {
  const contracts = options.contracts ?? [];
  const contract = contracts.find((one) => one.name === service);
  if (contract === undefined) {
    throw new RpcError("not_found", contracts.length === 0
      ? "this admin service was given no contracts (`contracts`), so nothing can be called from it"
      : `no contract is called ${JSON.stringify(service.slice(0, 128))}: there are ` +
        contracts.map((one) => one.name).join(", "));
  }
  const method = Object.hasOwn(contract.methods, name) ? contract.methods[name] : undefined;
  if (method !== undefined) return method;
  throw new RpcError("not_found", `${service} has no method ${JSON.stringify(name.slice(0, 128))}: it has ` +
    Object.keys(contract.methods).join(", "));
}

/** A request; of a method whose callers stream, a list of them. */
function readRequest(method: AnyMethod, text: string): unknown {
  if (text.length > maxRequestChars) {
    throw new RpcError("invalid_argument", `requestJson has ${text.length} characters; at most ${maxRequestChars}`);
  }
  const coder = json.compile(method.input, "request");
  const read = (part: string): unknown => {
    const bytes = new TextEncoder().encode(part);
    return coder.decode(bytes, 0, bytes.length);
  };
  if (method.kind === "unary" || method.kind === "server_stream") return read(text);
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch (error) {
    throw new RpcError("invalid_argument", `requestJson is no JSON: ${error instanceof Error ? error.message : "?"}`);
  }
  if (!Array.isArray(parts)) {
    throw new RpcError("invalid_argument", `${method.path} takes a stream of requests: write them as a list, ` +
      "[{…}, {…}]");
  }
  const values = parts.map((part) => read(JSON.stringify(part)));
  return (async function* () {
    yield* values;
  })();
}

function writeJson(method: AnyMethod, value: unknown): string {
  const writer = new Writer();
  json.compile(method.output, "response").encode(value, writer);
  return new TextDecoder().decode(writer.finish());
}

function clientOf(state: AdminState, contract: AnyContract): unknown {
  const { callBy } = state.options;
  if (callBy !== undefined) return callBy(contract);
  for (const { client } of state.watched) if (client?.$.contract.name === contract.name) return client;
  const address = state.address();
  if (address === undefined) {
    throw new RpcError("failed_precondition", "nothing in this process listens or calls yet; calls can be made " +
      "once the gateway, the client or the server is there");
  }
  // Over its own port: what is called is what callers call.
  return createClientOn(state.runtime, contract, { address, retry: false, hedge: false });
}
