/** `grpc-timeout`: at most eight digits and a unit, in gRPC and gRPC-Web. */
import { RpcError } from "../core/error.ts";

const pattern = /^(\d{1,8})([HMSmun])$/;
const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
const most = 99_999_999;

/** Milliseconds in the finest unit that has room for them; never sooner than asked. */
export function writeGrpcTimeout(timeoutMs: number): string {
  const whole = Math.ceil(timeoutMs);
  if (whole <= most) return `${whole}m`;
  for (const unit of ["S", "M", "H"]) {
    const count = Math.ceil(timeoutMs / (unitMs[unit] as number));
    if (count <= most) return `${count}${unit}`;
  }
  return `${most}H`;
}

/** Milliseconds; undefined for an absent header. Throws `invalid_argument` for one that is malformed. */
export function readGrpcTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = pattern.exec(text);
  if (match === null) {
    throw new RpcError("invalid_argument",
      `grpc-timeout is ${JSON.stringify(text.slice(0, 32))}, expected up to eight digits and one of H M S m u n`,
      { phase: "decode" });
  }
  return Number(match[1]) * (unitMs[match[2] as string] as number);
}
