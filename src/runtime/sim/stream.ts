/**
 * A SimulatedStream is one end of a connection: the kernel's part of it (window, acknowledgements) and the
 * program's (the sink), which differ when the program is stopped or has paused reading.
 */
import { expected } from "../../core/error.ts";
import type { ByteSink, ByteStream } from "../../core/runtime.ts";
import type { Packet, Pipe } from "./pipe.ts";
import { Call, type Program, record, type RecordKind } from "./world.ts";

interface Write {
  /** Not sent yet; empty once everything is on its way. */
  rest: Uint8Array;
  /** Bytes of it that the peer's host has not taken. */
  unacknowledged: number;
  readonly written: (() => void) | undefined;
}

export class SimulatedStream implements ByteStream {
  readonly peer: string;
  bufferedBytes = 0;
  sink: ByteSink | undefined;
  readonly program: Program;
  readonly #outgoing: Pipe;
  #phase: "connecting" | "open" | "closed";
  /** Written and not acknowledged, oldest first; those from `#unsent` on are not sent completely. */
  readonly #writes: Write[] = [];
  #unsent = 0;
  #windowBytes: number;
  #isEnded = false;
  #isFinSent = false;
  #isFinReceived = false;
  #isBlocked = false;
  #isPaused = false;
  /** Taken by the host and not read by the program; "fin" is the peer's end. */
  readonly #unread: (Uint8Array | "fin")[] = [];
  #isReadPlanned = false;

  constructor(program: Program, peer: string, outgoing: Pipe, sink?: ByteSink) {
    this.peer = peer;
    this.program = program;
    this.sink = sink;
    this.#outgoing = outgoing;
    this.#phase = sink === undefined ? "open" : "connecting";
    this.#windowBytes = program.world.settings.windowBytes;
    program.streams.add(this);
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    if (this.#isEnded || this.#phase === "closed" || !this.program.isAlive) return false;
    this.#writes.push({ rest: bytes, unacknowledged: bytes.length, written });
    this.bufferedBytes += bytes.length;
    this.#transmit();
    if (this.bufferedBytes < this.program.world.settings.highWaterBytes) return true;
    this.#isBlocked = true;
    return false;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#planRead();
  }

  end(): void {
    if (this.#isEnded || this.#phase === "closed") return;
    this.#isEnded = true;
    // Only a stream that reads learns that its peer closed too.
    this.resume();
    this.#finish();
  }

  destroy(): void {
    if (this.#phase === "closed" || !this.program.isAlive) return;
    // As kernels do: who closes with bytes unread has lost them, and the peer, who may wait for that, is told.
    const isLossy = this.#unread.some((item) => item !== "fin");
    this.#forget();
    if (isLossy) this.#outgoing.send("reset");
    else if (!this.#isFinSent) this.#outgoing.send("fin");
    const { agenda } = this.program.world;
    agenda.plan(new Call(this.program, () => this.#tellClosed(undefined)), agenda.nowMs);
  }

  /** The program died. Its kernel may still tell the peer. */
  abandon(isReset: boolean): void {
    if (isReset && this.#phase !== "closed") this.#outgoing.send("reset");
    this.#forget();
    this.sink = undefined;
  }

  /** Closes with an error that the kernel found. */
  fail(error: Error): void {
    if (this.#phase === "closed") return;
    this.#forget();
    this.program.admit(undefined, () => this.#tellClosed(error));
  }

  /** What the host's kernel does with a packet. */
  receive(packet: Packet): void {
    if (this.#phase === "closed") {
      // Nobody holds this connection any more: whoever still sends shall learn it.
      if (packet.kind === "data") this.#outgoing.send("reset");
      return;
    }
    switch (packet.kind) {
      case "opened": return this.#opened();
      case "data": return this.#arrived(packet.bytes as Uint8Array);
      case "progress": return this.#progressed(packet.taken, packet.read);
      case "fin": return this.#queueUnread("fin");
      case "refused": return this.#broke("nobody listens there; is the server running, and on this port?");
      case "reset": return this.#broke("the peer reset it");
      case "syn": return undefined;
    }
  }

  #opened(): void {
    this.#phase = "open";
    this.#transmit();
    this.#finish();
    this.#tell("opened", () => this.sink?.opened?.());
  }

  #arrived(bytes: Uint8Array): void {
    if (this.#isPaused || this.program.isHolding || this.#unread.length > 0) {
      this.#outgoing.send("progress", undefined, bytes.length, 0);
      // A copy: what the host has taken, its writer may use again.
      this.#queueUnread(new Uint8Array(bytes));
    } else {
      this.#outgoing.send("progress", undefined, bytes.length, bytes.length);
      this.program.admit(undefined, () => this.#read(bytes));
    }
  }

  #queueUnread(item: Uint8Array | "fin"): void {
    if (item === "fin" && this.#unread.length === 0 && !this.#isPaused && !this.program.isHolding) {
      this.program.admit(undefined, () => this.#peerEnded());
      return;
    }
    this.#unread.push(item);
    this.#planRead();
  }

  /** One unread item an event, so that the sink may pause in between. */
  #planRead(): void {
    if (this.#isReadPlanned || this.#isPaused || this.#unread.length === 0) return;
    this.#isReadPlanned = true;
    const { agenda } = this.program.world;
    agenda.plan(new Call(this.program, () => {
      this.#isReadPlanned = false;
      const item = this.#isPaused ? undefined : this.#unread.shift();
      if (item === "fin") this.#peerEnded();
      else if (item !== undefined) {
        this.#outgoing.send("progress", undefined, 0, item.length);
        this.#read(item);
      }
      this.#planRead();
    }), agenda.nowMs);
  }

  #read(bytes: Uint8Array): void {
    if (this.#phase === "closed" || bytes.length === 0) return;
    const { world, host } = this.program;
    record(world, "received", host, bytes, this.peer);
    world.isTouched = true;
    // A copy: the writer may use its array again, the reader may keep what it got.
    this.sink?.received(new Uint8Array(bytes));
  }

  #peerEnded(): void {
    if (this.#phase === "closed") return;
    this.#isFinReceived = true;
    this.#isEnded = true;
    this.#finish();
  }

  /** Sends our end once everything before it is on its way; both ends make the close. */
  #finish(): void {
    if (!this.#isEnded || this.#phase !== "open" || this.#unsent < this.#writes.length) return;
    if (!this.#isFinSent) this.#outgoing.send("fin");
    this.#isFinSent = true;
    if (!this.#isFinReceived) return;
    this.#forget();
    this.#tellClosed(undefined);
  }

  #transmit(): void {
    if (this.#phase !== "open") return;
    while (this.#unsent < this.#writes.length) {
      const write = this.#writes[this.#unsent] as Write;
      const { rest } = write;
      if (rest.length > this.#windowBytes) {
        if (this.#windowBytes > 0) this.#outgoing.send("data", rest.subarray(0, this.#windowBytes));
        write.rest = rest.subarray(this.#windowBytes);
        this.#windowBytes = 0;
        return;
      }
      this.#windowBytes -= rest.length;
      write.rest = rest.subarray(rest.length);
      this.#unsent++;
      this.#outgoing.send("data", rest);
    }
  }

  #progressed(taken: number, read: number): void {
    this.#windowBytes += read;
    this.bufferedBytes -= taken;
    const done: (() => void)[] = [];
    let left = taken;
    for (let first = this.#writes[0]; first !== undefined && this.#unsent > 0; first = this.#writes[0]) {
      const count = Math.min(left, first.unacknowledged);
      first.unacknowledged -= count;
      left -= count;
      if (first.unacknowledged > 0) break;
      this.#writes.shift();
      this.#unsent--;
      if (first.written !== undefined) done.push(first.written);
    }
    // The front write may be partly sent, and part of it acknowledged.
    const front = this.#writes[0];
    if (left > 0 && front !== undefined) front.unacknowledged -= left;
    this.#transmit();
    this.#finish();
    for (const written of done) this.#tell("written", written);
    if (this.#isBlocked && this.bufferedBytes * 2 <= this.program.world.settings.highWaterBytes) {
      this.#isBlocked = false;
      this.#tell("drained", () => this.sink?.drained?.());
    }
  }

  #broke(reason: string): void {
    const wasOpen = this.#phase === "open";
    const error = wasOpen
      ? expected("unavailable", `the connection to ${this.peer} broke: ${reason}`, { phase: "network" })
      : expected("unavailable", `cannot connect to ${this.peer}: ${reason}`,
        { phase: "connect", neverStarted: true });
    this.fail(error);
  }

  #forget(): void {
    this.#phase = "closed";
    this.#isEnded = true;
    this.#writes.length = 0;
    this.#unsent = 0;
    this.#unread.length = 0;
    this.bufferedBytes = 0;
  }

  #tell(what: RecordKind, callback: () => void): void {
    this.program.admit(undefined, () => {
      if (this.sink === undefined || this.#phase === "closed") return;
      const { world, host } = this.program;
      record(world, what, host, undefined, this.peer);
      world.isTouched = true;
      callback();
    });
  }

  #tellClosed(error: Error | undefined): void {
    const sink = this.sink;
    if (sink === undefined) return;
    this.sink = undefined;
    this.program.streams.delete(this);
    const { world, host } = this.program;
    record(world, "closed", host, undefined, error?.message ?? "");
    world.isTouched = true;
    sink.closed(error);
  }
}
