/** The timeout of a call in gRPC's header `grpc-timeout`: up to eight digits and a unit. */

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
/** What eight digits can say. */
const most = 99_999_999;

/** Milliseconds, with a fraction; undefined for what is no timeout. */
export function parseGrpcTimeout(text: string): number | undefined {
  const length = text.length - 1;
  const unit = unitMs[text.charAt(length)];
  if (unit === undefined || length < 1 || length > 8) return undefined;
  let value = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return undefined;
    value = value * 10 + digit;
  }
  return value * unit;
}

/** In the finest unit that eight digits allow, never less than was asked; undefined if even hours do not say it. */
export function formatGrpcTimeout(timeoutMs: number): string | undefined {
  const ms = Math.ceil(timeoutMs);
  if (ms <= most) return `${Math.max(0, ms)}m`;
  for (const unit of ["S", "M", "H"] as const) {
    const value = Math.ceil(ms / (unitMs[unit] as number));
    if (value <= most) return `${value}${unit}`;
  }
  return undefined;
}
