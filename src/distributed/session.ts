/**
 * A Session reads what it has written and never goes back in time, whichever replica answers it.
 *
 * Its token says how far what it has seen had got, by region. Each call carries it; each reply brings it on. A replica
 * that is behind waits a little and then refuses, certain not to have begun, so that the retry goes to another.
 */
import type { AnyContract, CallOptions, Client } from "../contract/index.ts";
import { badOption } from "../core/index.ts";
import { sessionHeader, versionTrailer } from "./replica-versions.ts";
import type { Governed } from "./target.ts";
import { joined, readVector, type VersionVector, writeVector } from "./version-vector.ts";

export interface SessionOptions {
  /** Whether reads see what the session wrote before. Default true. */
  readonly readYourWrites?: boolean | undefined;
  /** Whether reads see what reads of the session saw before. Default true. */
  readonly monotonicReads?: boolean | undefined;
  /** Where another session had got, which this one goes on: its `token`. */
  readonly token?: string | undefined;
}

/** The methods of the contract, and `$session`. */
export type SessionOf<S extends AnyContract> = Client<S> & {
  readonly $session: {
    /** What it has seen, to be handed on: to a cookie, another process, a job that goes on where this one ends. */
    readonly token: string;
    /** Takes in what another session has seen. Throws `invalid_argument` for what is no token. */
    join(token: string): void;
  };
};

type AnyCall = (input: unknown, options?: CallOptions) => unknown;

/**
 * Makes a session over a client's methods: cheap, one for each user or job. Calls that run at once do not see each
 * other. Methods declared `safe` read; all others write.
 */
export function session<S extends AnyContract>(
  client: Client<S> & Governed<S>, options: SessionOptions = {},
): SessionOf<S> {
  const { readYourWrites = true, monotonicReads = true } = options;
  if (!readYourWrites && !monotonicReads) {
    throw badOption("readYourWrites", false, "without monotonicReads too it is no session: use the client as it is");
  }
  let vector: VersionVector = options.token === undefined ? {} : readVector(options.token);
  let token = writeVector(vector);
  const learn = (text: string): void => {
    try {
      vector = joined(vector, readVector(text));
      token = writeVector(vector);
    } catch {
      // A reply that makes no sense moves nothing: what is known stays true.
    }
  };
  const methods: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(client.$.contract.methods)) {
    const call = (client as unknown as Record<string, AnyCall>)[name] as AnyCall;
    const counts = method.safe === true ? monotonicReads : readYourWrites;
    methods[name] = (input: unknown, given: CallOptions = {}) => call(input, {
      ...given,
      metadata: token === "" ? given.metadata : { ...given.metadata, [sessionHeader]: token },
      onMetadata: (kind, metadata) => {
        const version = metadata[versionTrailer];
        if (counts && version !== undefined) learn(version);
        given.onMetadata?.(kind, metadata);
      },
    });
  }
  const control = {
    get token() {
      return token;
    },
    join: (other: string) => {
      vector = joined(vector, readVector(other));
      token = writeVector(vector);
    },
  };
  return Object.freeze(Object.assign(methods, { $session: control })) as unknown as SessionOf<S>;
}
