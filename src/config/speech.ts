/** How clients speak: protocols, codecs and certificates by their names, each the same object for the same settings. */
import type { Codec } from "../contract/codec.ts";
import { codecByName } from "../codec/choose.ts";
import type { ClientOptions } from "../client/create-client.ts";
import {
  avro, connect, grpc, grpcWeb, httpJson, jsonRpc, native, type Protocol, thrift,
} from "../protocol/index.ts";
import type { protocols } from "./client-schema.ts";
import { type ConfigTools, lent, type TlsFiles } from "./tools.ts";

type ProtocolName = (typeof protocols)[number];

export interface Speech {
  readonly protocol?: ProtocolName | undefined;
  readonly codec?: string | undefined;
  readonly tls?: TlsFiles | undefined;
  readonly maxMessageBytes?: number | undefined;
}

interface MessageLimit {
  readonly maxMessageBytes?: number;
}

const makers: Readonly<Record<ProtocolName, (settings: MessageLimit) => Protocol>> = {
  native: (settings) => native(settings),
  grpc: (settings) => grpc({ settings }),
  "grpc-web": (settings) => grpcWeb({ settings }),
  connect: (settings) => connect({ settings }),
  "http-json": (settings) => httpJson({ settings }),
  "json-rpc": (settings) => jsonRpc({ settings }),
  thrift: (settings) => thrift(settings),
  avro: (settings) => avro(settings),
};

/** How one process's clients speak. Whoever has the same settings gets the same objects, and shares connections. */
export interface Speeches {
  of(speech: Speech): Pick<ClientOptions, "protocol" | "tls"> & { readonly codec: Codec | undefined };
  tls(files: TlsFiles): NonNullable<ClientOptions["tls"]>;
}

export function createSpeeches(tools: ConfigTools): Speeches {
  const made = new Map<string, unknown>();
  const once = <T>(key: string, make: () => T): T => {
    if (!made.has(key)) made.set(key, make());
    return made.get(key) as T;
  };
  const tls: Speeches["tls"] = (files) =>
    once(`tls ${JSON.stringify(files)}`, () => lent(tools.tls, "TLS")(files));
  return {
    tls,
    of({ protocol = "native", codec, tls: files, maxMessageBytes }) {
      const settings = maxMessageBytes === undefined ? {} : { maxMessageBytes };
      return {
        protocol: once(`${protocol} ${maxMessageBytes ?? ""}`, () => makers[protocol](settings)),
        codec: codec === undefined ? undefined : codecByName(codec),
        tls: files === undefined ? undefined : tls(files),
      };
    },
  };
}
