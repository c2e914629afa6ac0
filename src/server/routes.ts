/** Routes are what a server serves: handlers by `service/method`, each under the server's layers. */
import { expected, RpcError } from "../core/error.ts";
import { type CallGate, gateOf } from "../core/gate.ts";
import type { Guard } from "../core/identity.ts";
import type { MethodInfo } from "../core/method.ts";
import { compose, type Service, type Stack } from "../core/service.ts";
import { codersOf } from "../contract/coders.ts";
import type { Codec } from "../contract/codec.ts";
import type { AnyMethod } from "../contract/method.ts";
import type { AnyContract } from "../contract/service.ts";
import { codecByName } from "../codec/choose.ts";
import type { MethodShape, Route, Router } from "../protocol/router.ts";
import { begun } from "./begun.ts";

interface Served {
  readonly method: AnyMethod;
  readonly service: Service;
  readonly byCodec: Map<string, Route>;
}

export interface RoutesOptions {
  /** Layers over every handler, outermost first. */
  readonly stack: Stack;
  /** Codecs beside the built-in ones, which they replace where names agree. */
  readonly codecs: readonly Codec[];
  /** The services that a server has beside its user's, who may implement them otherwise. */
  readonly standard?: Routes | undefined;
  /** Decides who may call; its layer is in `stack`. */
  readonly guard?: Guard | undefined;
  /** Finds a route where no handler is registered: what makes a server a gateway. */
  readonly fallback?: Router | undefined;
}

export class Routes {
  readonly #options: RoutesOptions;
  readonly #served = new Map<string, Served>();
  readonly #byWireName = new Map<string, Served>();
  /**
   * For wires that name no service, or not its package (Thrift): by the method's name alone, and by `Service/method`;
   * undefined where several services have one.
   */
  readonly #byBareName = new Map<string, Served | undefined>();
  readonly #services = new Map<string, AnyContract>();
  /** Refuses calls before they are decoded, if admission does so. */
  readonly #gate: CallGate | undefined;
  /** What a fallback found, under admission. */
  readonly #admitted = new WeakMap<Route, Route>();

  constructor(options: RoutesOptions) {
    this.#options = options;
    this.#gate = gateOf(options.stack["admission"]);
    if (this.#gate !== undefined) this.#gate.isAsked = true;
  }

  /** The names of the services served, which is what gets registered. */
  get services(): readonly string[] {
    return [...this.#services.keys()];
  }

  /** The contracts served, those of standard services included. */
  get contracts(): readonly AnyContract[] {
    const own = [...this.#services.values()];
    const standard = this.#options.standard?.contracts ?? [];
    return [...own, ...standard.filter(({ name }) => !this.#services.has(name))];
  }

  /** Throws at once when a handler is missing, superfluous or no function: not at the first call. */
  add(contract: AnyContract, handlers: Readonly<Record<string, unknown>>): void {
    if (this.#services.has(contract.name)) {
      throw new RpcError("already_exists",
        `${contract.name} is implemented already: pass all its handlers in one call of implement`);
    }
    // Functions alone: handlers may be an object that keeps data of its own.
    const unknown = Object.keys(handlers)
      .filter((name) => typeof handlers[name] === "function" && !Object.hasOwn(contract.methods, name));
    if (unknown.length > 0) {
      throw new RpcError("invalid_argument", `${contract.name} has no method ${unknown.join(", ")}; ` +
        `its methods are ${Object.keys(contract.methods).join(", ")}`);
    }
    for (const [name, method] of Object.entries(contract.methods)) {
      const handler = handlers[name];
      if (typeof handler !== "function") {
        throw new RpcError("invalid_argument",
          `${method.path} has no handler: expected a function named ${name}, got ${typeof handler}`);
      }
      const service = compose(this.#options.stack, begun(handler.bind(handlers) as Service));
      const one: Served = { method, service, byCodec: new Map() };
      this.#served.set(method.path, one);
      this.#byWireName.set(`${method.service}/${method.wireName}`, one);
      const short = contract.name.slice(contract.name.lastIndexOf(".") + 1);
      const { wireName } = method;
      for (const bare of new Set([name, wireName, `${short}/${name}`, `${short}/${wireName}`])) {
        this.#byBareName.set(bare, this.#byBareName.has(bare) ? undefined : one);
      }
    }
    this.#services.set(contract.name, contract);
  }

  readonly route: Router = (shape) => {
    const { path, codec, kind } = shape;
    const served = this.#find(path) ?? (shape.isBare === true ? this.#byBareName.get(path) : undefined);
    if (served === undefined) return this.#missing(shape);
    if (kind !== undefined && served.method.kind !== kind) {
      return expected("unimplemented", `${path} is ${served.method.kind}, not ${kind}: the contracts ` +
        // A gateway that gRPC calls without the contract cannot tell a call's kind.
        `differ${kind === "bidi_stream" ? ", or a gateway on the way needs this one in its contracts" : ""}`);
    }
    const known = served.byCodec.get(codec);
    if (known !== undefined) return known;
    try {
      const { codecs } = this.#options;
      const coders = codersOf(served.method, codecByName(codec, codecs), codecByName("proto", codecs));
      const { method, service } = served;
      const route: Route = { method, service, coders, gate: this.#gateOf(method) };
      served.byCodec.set(codec, route);
      return route;
    } catch (error) {
      return RpcError.from(error, "internal");
    }
  };

  /** Its guard's, before which admission is asked, or admission's. */
  #gateOf(method: MethodInfo): CallGate | undefined {
    return this.#options.guard?.gate(method, this.#gate) ?? this.#gate;
  }

  /** Whether a method is served here, by its name in the contract or on the wire. */
  has(path: string): boolean {
    return this.#find(path) !== undefined || this.#options.standard?.has(path) === true;
  }

  #find(path: string): Served | undefined {
    return this.#served.get(path) ?? this.#byWireName.get(path);
  }

  /** What is forwarded loads this server too, and not everybody may ask; its handlers' other layers are their own. */
  #underAdmission(found: Route | RpcError): Route | RpcError {
    const { admission, trace, auth } = this.#options.stack;
    if ((admission ?? trace ?? auth) === undefined || RpcError.is(found)) return found;
    let route = this.#admitted.get(found);
    if (route === undefined) {
      const service = compose({ admission, trace, auth }, found.service);
      route = { ...found, service, gate: this.#gateOf(found.method) };
      this.#admitted.set(found, route);
    }
    return route;
  }

  #missing(shape: MethodShape): Route | RpcError {
    const { path } = shape;
    const { standard } = this.#options;
    if (standard?.has(path) === true) return standard.route(shape);
    if (this.#options.fallback !== undefined) return this.#underAdmission(this.#options.fallback(shape));
    const slash = path.lastIndexOf("/");
    const service = path.slice(0, Math.max(slash, 0));
    const several = shape.isBare !== true ? [] : [...this.#services.values()].filter(({ methods }) =>
      Object.values(methods).some((one) => one.name === path || one.wireName === path));
    return expected("unimplemented", several.length > 1
      ? `${several.map(({ name }) => name).join(" and ")} both have a method "${path}": the call must name its service`
      : service === ""
      ? `"${path.slice(0, 256)}" is no method${shape.isBare === true ? " of a service here"
        : ": a call is made to package.Service/Method"}`
      : this.#services.has(service)
      ? `${service} has no method "${path.slice(slash + 1, slash + 129)}" here: the contracts differ`
      // What there is, is told to those alone who may ask: reflection.
      : `"${service.slice(0, 256)}" is not served here` + (this.#options.guard === undefined
        ? `; this server has ${this.services.join(", ") || "no service"}` : ""),
    { neverStarted: true, retryable: false });
  }
}
