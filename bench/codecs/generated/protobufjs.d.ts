// The static code of pbjs, as far as the benchmark uses it.
export const shapes: unknown;
