/** A Target is where in Kubernetes the endpoints of a name are: a namespace, the slices' labels, and a port. */
import { RpcError } from "../../core/error.ts";
import { prefix } from "./marks.ts";

export interface Target {
  /** Undefined: that of the credentials. */
  readonly namespace: string | undefined;
  readonly labelSelector: string;
  /** Undefined: whatever the options say. */
  readonly port: string | number | undefined;
}

/** Kubernetes services by the name they are watched by; what it has no entry for goes by the name itself. */
export type ServiceNames = Readonly<Record<string, string>> | ((name: string) => string | undefined);

const label = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?";
/** `cities`, `cities.prod`, and the longer forms by which pods find services: `cities.prod.svc.cluster.local`. */
const serviceForm = new RegExp(`^(${label})(?:\\.(${label})(?:\\.svc(?:\\.[-.a-z0-9]{1,190})?)?)?$`);
const labelValue = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const requirement = "[-A-Za-z0-9_./]{1,317}=[-A-Za-z0-9_.]{0,63}";
const selectorForm = new RegExp(`^${requirement}(?:,${requirement}){0,15}$`);

/**
 * In this order: what `services` says of the name; else the name. `NAME` and `NAME.NAMESPACE` are a Kubernetes service;
 * `LABEL=VALUE` selects slices by their labels; anything else, such as the name of a contract, is the value of the
 * label `meridian-rpc/service`. `:PORT` may follow each. Throws `invalid_argument`.
 */
export function targetOf(name: string, services: ServiceNames | undefined): Target {
  const given = typeof services === "function" ? services(name)
    : services !== undefined && Object.hasOwn(services, name) ? services[name] : undefined;
  const [, whole = "", portText] = /^(.*?)(?::([-A-Za-z0-9]{1,63}))?$/s.exec(given ?? name) ?? [];
  const port = readPort(portText, name);
  const [, service, namespace] = serviceForm.exec(whole) ?? [];
  if (service !== undefined) return { namespace, labelSelector: `kubernetes.io/service-name=${service}`, port };
  if (given !== undefined && selectorForm.test(whole)) return { namespace: undefined, labelSelector: whole, port };
  if (labelValue.test(whole)) return { namespace: undefined, labelSelector: `${prefix}service=${whole}`, port };
  throw new RpcError("invalid_argument", `"${(given ?? name).slice(0, 128)}" is neither a Kubernetes service (NAME ` +
    `or NAME.NAMESPACE) nor a value of the label ${prefix}service (at most 63 letters, digits, - _ .); say in the ` +
    `option services which one "${name.slice(0, 128)}" is`, { phase: "resolve", retryable: false });
}

function readPort(text: string | undefined, name: string): string | number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return text;
  const port = Number(text);
  if (port >= 1 && port <= 65_535) return port;
  throw new RpcError("invalid_argument", `the name "${name.slice(0, 128)}" ends in the port ${text}, which is none`,
    { phase: "resolve", retryable: false });
}
