// The code of ts-proto, as far as the benchmark uses it.
export const Small: unknown;
export const Medium: unknown;
export const Maps: unknown;
export const Nested: unknown;
