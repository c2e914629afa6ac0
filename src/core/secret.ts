/** A Secret is a text that can be asked for, and is never printed. */

const hidden = "[secret]";

export class Secret {
  readonly #read: () => string;

  /** `read` gives the text of now. */
  constructor(read: () => string) {
    this.#read = read;
  }

  /** The text itself. Throws where it cannot be had. */
  reveal(): string {
    return this.#read();
  }

  toString(): string {
    return hidden;
  }

  toJSON(): string {
    return hidden;
  }

  get [Symbol.toStringTag](): string {
    return "Secret";
  }

  /** What Node's `console.log` and `inspect` show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return hidden;
  }
}
