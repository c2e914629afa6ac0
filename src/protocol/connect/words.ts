/** The words of Connect that both halves use. */

/** Media types: `application/json` for one message that is the body, `application/connect+json` for enveloped ones. */
export const unaryPrefix = "application/";
export const streamPrefix = "application/connect+";
export const versionHeader = "connect-protocol-version";
/** Trailing metadata of a unary call stands among its response's headers, under this prefix. */
export const trailerPrefix = "trailer-";
/** The flag of a stream's last envelope. */
export const endStreamFlag = 2;
