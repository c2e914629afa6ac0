/** The seven words of Meridian, as types and the little code that belongs to them. No I/O, no dependency. */
export { Alarm, type Timer } from "./alarm.ts";
export {
  CallTrace, decisionTrailer, serverTimeTrailer, type TracedAttempt, type TracedPhase, traceLimits, whyMetadata,
} from "./call-trace.ts";
export { type Code, codeFromNumber, codeNumber } from "./code.ts";
export type {
  Accept, Accepted, AcceptOwner, AttemptObserver, Connect, Connection, ConnectionEvents, ServedConnection,
} from "./connection.ts";
export {
  type Cancellable, type Contenders, Context, type ContextFields, type MetadataListener, type Recovery,
  type ReplyMetadata,
} from "./context.ts";
export type { Discovery, Registrar, Registration, Watcher } from "./discovery.ts";
export {
  type Candidate, describeEndpoint, type Endpoint, type EndpointAddress, endpointAddress, type EndpointFields,
  type EndpointStatus, sameEndpoint,
} from "./endpoint.ts";
export {
  type ErrorDetail, expected, expectedErrors, mayHaveRun, notAgain, overtakenReason, type Phase, RpcError,
  type RpcErrorOptions, type Spent,
} from "./error.ts";
export type { FileSource } from "./file-source.ts";
export { callerMetadata, forwardedIdentity, readForwardedIdentity } from "./forwarded-identity.ts";
export { type CallGate, endIsTold, type GatedLayer, gateOf } from "./gate.ts";
export { automaticKey, createIdempotencyKey, type KeyStamp, stampedKey, stampOf } from "./idempotency-key.ts";
export { anonymous, type Guard, type GuardMaker, type Identity } from "./identity.ts";
export { createLoad, type Load, type LoadReport, recordAttempt } from "./load.ts";
export { Outstanding } from "./outstanding.ts";
export { createMetadata, emptyMetadata, type Metadata, metadataLimits } from "./metadata.ts";
export {
  type CallKind, type Criticality, type Idempotency, type MethodInfo, nextMethodOrdinal,
} from "./method.ts";
export { type Observer, observeAll } from "./observer.ts";
export { badOption, numberOption, type NumberRange } from "./option.ts";
export { type Peer, type PeerCertificate, peerOf } from "./peer.ts";
export type { Picker, PickExplanation } from "./picker.ts";
export type { Probe } from "./probe.ts";
export type {
  ByteSink, ByteStream, Clock, DatagramReceiver, DatagramSocket, Listener, ListenSecurity, Network, Random, Runtime,
  Sealing, SecureSession, Security,
} from "./runtime.ts";
export { Secret } from "./secret.ts";
export { readSpiffeId, type SpiffeId, spiffeOf } from "./spiffe.ts";
export type { TextStore } from "./text-store.ts";
export {
  inheritedTrace, readTraceparent, type TraceMark, traceMark, traceNames, writeTraceparent,
} from "./trace-context.ts";
export { lastActiveTier, tierOf, tierOverprovisioning, type TierShare, tierShares } from "./tiers.ts";
export {
  type Awaitable, compose, isAttempts, isPromise, type Layer, type LayerMaker, makesAttempts, type Service, settle,
  type Stack,
} from "./service.ts";
