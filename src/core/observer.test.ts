import assert from "node:assert/strict";
import { test } from "node:test";
import { context } from "../../test/policies/support.ts";
import { endpointAddress } from "./endpoint.ts";
import { observeAll, type Observer } from "./observer.ts";

const endpoint = endpointAddress({ address: "127.0.0.1:1" });
const names = ["callEnded", "attemptEnded", "handled", "endpointChanged", "event"] as const;

/** Writes down what it hears, by its own name: that it is called as a member shows in that it knows it. */
class Listener implements Observer {
  readonly name: string;
  readonly heard: string[];

  constructor(name: string, heard: string[]) {
    this.name = name;
    this.heard = heard;
  }

  callEnded(...[, latencyMs]: Parameters<NonNullable<Observer["callEnded"]>>): void {
    this.heard.push(`${this.name} callEnded ${latencyMs}`);
  }

  attemptEnded(...[, { address }, latencyMs]: Parameters<NonNullable<Observer["attemptEnded"]>>): void {
    this.heard.push(`${this.name} attemptEnded ${address} ${latencyMs}`);
  }

  handled(...[, latencyMs]: Parameters<NonNullable<Observer["handled"]>>): void {
    this.heard.push(`${this.name} handled ${latencyMs}`);
  }

  endpointChanged(...[{ address }, status, why]: Parameters<NonNullable<Observer["endpointChanged"]>>): void {
    this.heard.push(`${this.name} endpointChanged ${address} ${status} ${why}`);
  }

  event(name: string): void {
    this.heard.push(`${this.name} event ${name}`);
  }
}

function tellEverything(observer: Observer): void {
  observer.callEnded?.(context(), 1, undefined);
  observer.attemptEnded?.(context(), endpoint, 2, undefined);
  observer.handled?.(context(), 3, undefined);
  observer.endpointChanged?.(endpoint, "ready", "connected");
  observer.event?.("something", {});
}

const everything = [
  "callEnded 1", "attemptEnded 127.0.0.1:1 2", "handled 3", "endpointChanged 127.0.0.1:1 ready connected",
  "event something",
];

for (const count of [1, 2, 3, 4, 5]) {
  test(`${count} observers hear everything, in their order, once each, however they were put together`, () => {
    const heard: string[] = [];
    const all = Array.from({ length: count }, (_, i) => new Listener(String(i), heard));
    const wanted = everything.flatMap((what) => all.map(({ name }) => `${name} ${what}`));
    tellEverything(observeAll(...all));
    assert.deepEqual(heard.splice(0), wanted);
    // One after the other, as a server, its load and its metrics are.
    tellEverything(all.reduce<Observer | undefined>((before, one) => observeAll(before, one), undefined) ?? {});
    assert.deepEqual(heard.splice(0), wanted);
    tellEverything(observeAll(undefined, observeAll(...all.slice(0, 2)), undefined, observeAll(...all.slice(2))));
    assert.deepEqual(heard, wanted);
  });
}

test("members that nobody has stay absent", () => {
  assert.deepEqual(names.map((name) => observeAll(undefined, {}, {})[name]), names.map(() => undefined));
  const some = observeAll({ event() {} }, {}, { handled() {} });
  assert.deepEqual(names.filter((name) => some[name] !== undefined), ["handled", "event"]);
});
