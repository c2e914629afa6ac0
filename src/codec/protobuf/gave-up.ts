/** Thrown by generated code and what it calls, at whatever is not plain; never leaves this folder. */
export const gaveUp = { gaveUp: true };
