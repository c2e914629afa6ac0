/** SHA-1 (FIPS 180-4), for WebSocket's handshake alone: it proves that a server has read the request, and no more. */

const [k0, k1, k2, k3] = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6];

/** The digest of a short message: 20 bytes. */
export function sha1(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array((message.length + 8 >> 6) * 64 + 64);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, message.length * 8);
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  const words = new Int32Array(80);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(at + i * 4);
    for (let i = 16; i < 80; i++) {
      words[i] = rotate((words[i - 3] as number) ^ (words[i - 8] as number) ^ (words[i - 14] as number) ^
        (words[i - 16] as number), 1);
    }
    mix(state, words);
  }
  const digest = new DataView(new ArrayBuffer(20));
  state.forEach((word, i) => digest.setUint32(i * 4, word));
  return new Uint8Array(digest.buffer);
}

function mix(state: number[], words: Int32Array): void {
  let [a, b, c, d, e] = state as [number, number, number, number, number];
  for (let i = 0; i < 80; i++) {
    const [f, k] = i < 20 ? [(b & c) | (~b & d), k0]
      : i < 40 ? [b ^ c ^ d, k1]
      : i < 60 ? [(b & c) | (b & d) | (c & d), k2]
      : [b ^ c ^ d, k3];
    const next = (rotate(a, 5) + f + e + k + (words[i] as number)) | 0;
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  [a, b, c, d, e].forEach((word, i) => {
    state[i] = ((state[i] as number) + word) >>> 0;
  });
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
