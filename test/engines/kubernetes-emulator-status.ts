/** A Status is what a Kubernetes API server answers whatever it refuses (meta/v1). Part of the emulator. */
export class Status extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }

  body(): object {
    return {
      kind: "Status", apiVersion: "v1", metadata: {}, status: this.code < 400 ? "Success" : "Failure",
      ...(this.code < 400 ? {} : { message: this.message, reason: this.reason, code: this.code }),
    };
  }
}
