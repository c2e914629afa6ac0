/** Reads a flat struct of Thrift's binary protocol: written out here, so that a test does not take its own word. */
export function binaryFields(struct: Uint8Array): ReadonlyMap<number, number | string | boolean> {
  const view = new DataView(struct.buffer, struct.byteOffset, struct.length);
  const fields = new Map<number, number | string | boolean>();
  let at = 0;
  while (view.getUint8(at) !== 0) {
    const type = view.getUint8(at);
    const id = view.getInt16(at + 1);
    at += 3;
    switch (type) {
      case 2:
        fields.set(id, view.getUint8(at) === 1);
        at += 1;
        break;
      case 8:
        fields.set(id, view.getInt32(at));
        at += 4;
        break;
      case 11: {
        const length = view.getInt32(at);
        fields.set(id, new TextDecoder().decode(struct.subarray(at + 4, at + 4 + length)));
        at += 4 + length;
        break;
      }
      default: throw new Error(`a field of type ${type} at ${at}`);
    }
  }
  return fields;
}
