// What refusals of the API tell whoever reads them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventError, refusal } from "./refusal.ts";

const asked = { verb: "list", namespace: "prod" } as const;
const of = (status: number, message: string, verb: "list" | "watch" = "list") =>
  refusal("Kubernetes at 10.0.0.1:443", "the service account in /x", { ...asked, verb },
    { status, text: JSON.stringify({ kind: "Status", message, code: status }) });

test("403 names the verb, the resource and the namespace, and the commands that allow it", () => {
  const error = of(403, 'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:shop:web" cannot ' +
    'watch resource "endpointslices"', "watch");
  assert.equal(error.code, "permission_denied");
  assert.match(error.message, /forbids "watch" of endpointslices in the namespace "prod"/);
  assert.match(error.message, /kubectl create role meridian-discovery -n prod --verb=list,watch /);
  assert.match(error.message, /--resource=endpointslices.discovery.k8s.io/);
  assert.match(error.message, /--role=meridian-discovery --serviceaccount=shop:web$/);
  assert.match(of(403, 'User "jane" cannot list').message, /--user=jane$/);
  assert.match(of(403, "").message, /--serviceaccount=NAMESPACE:ACCOUNT$/);
});

test("401 says what to do, and others what was answered", () => {
  assert.equal(of(401, "Unauthorized").code, "unauthenticated");
  assert.match(of(401, "Unauthorized").message, /of the service account in \/x, .*kubectl create token/);
  assert.match(of(404, "no").message, /since 1\.21: is this its API/);
  assert.equal(of(500, "etcd\nis away").code, "unavailable");
  assert.match(of(500, "etcd\nis away").message, /answered 500: etcd is away/);
  assert.equal(of(429, "slow down").retryable, true);
  const page = refusal("Kubernetes", "x", asked, { status: 502, text: "<html>bad gateway" });
  assert.match(page.message, /502: <html>bad gateway/);
});

test("an event of type ERROR is an end, but for the one that asks for a new list", () => {
  assert.equal(eventError("Kubernetes", { code: 410, reason: "Expired" }), undefined);
  assert.match(eventError("Kubernetes", { code: 500, message: "boom" })?.message ?? "", /with error 500: boom/);
  assert.match(eventError("Kubernetes", "nonsense")?.message ?? "", /with an error: it gives no reason/);
});
