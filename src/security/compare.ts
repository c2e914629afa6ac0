/** Compares without telling by its duration where two values part. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let different = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) different |= (a[i] as number) ^ (b[i % Math.max(1, b.length)] ?? 0);
  return different === 0;
}
