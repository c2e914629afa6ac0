/** Sealing on Node: the system's generator, HMAC-SHA-256 and ChaCha20-Poly1305 of `node:crypto`. */
import { createCipheriv, createDecipheriv, createHmac, hash, randomFillSync } from "node:crypto";
import type { Sealing } from "../../core/runtime.ts";

const algorithm = "chacha20-poly1305";
const tagBytes = 16;
const withTag = { authTagLength: tagBytes } as const;

export const sealing: Sealing = {
  random: (count) => randomFillSync(new Uint8Array(count)),
  sign: (key, bytes) => createHmac("sha256", key).update(bytes).digest(),
  digest: (bytes) => hash("sha256", bytes, "buffer"),
  seal(key, nonce, head, text) {
    const cipher = createCipheriv(algorithm, key, nonce, withTag);
    cipher.setAAD(head, { plaintextLength: text.length });
    const sealed = new Uint8Array(text.length + tagBytes);
    sealed.set(cipher.update(text));
    cipher.final();
    sealed.set(cipher.getAuthTag(), text.length);
    return sealed;
  },
  open(key, nonce, head, sealed) {
    const length = sealed.length - tagBytes;
    if (length < 0) return undefined;
    const decipher = createDecipheriv(algorithm, key, nonce, withTag);
    decipher.setAAD(head, { plaintextLength: length });
    decipher.setAuthTag(sealed.subarray(length));
    const text = decipher.update(sealed.subarray(0, length));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return text;
  },
};
