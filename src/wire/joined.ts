/** The bytes of all parts in a row, in an array of their own. `length`: theirs together, where it is known. */
export function joined(parts: readonly Uint8Array[], length = lengthOf(parts)): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}
