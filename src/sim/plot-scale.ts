/** A Scale maps values to pixels, and knows the round values that people like to read beside an axis. */

export interface Scale {
  readonly from: number;
  readonly to: number;
  readonly isLog: boolean;
  /** The pixel of a value; NaN for one that has none. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

export interface ScaleOptions {
  readonly from: number;
  readonly to: number;
  readonly isLog: boolean;
  /** Pixels of `from` and `to`. */
  readonly pixels: readonly [number, number];
  /** About so many ticks. */
  readonly ticks: number;
  /** Whether the ends may be moved out to round values. */
  readonly mayGrow: boolean;
}

export function makeScale(options: ScaleOptions): Scale {
  const { isLog, pixels: [first, last], mayGrow } = options;
  let { from, to } = options;
  if (isLog) {
    if (!(from > 0)) from = to > 0 ? to / 1_000 : 1;
    if (!(to > from)) to = from * 10;
  } else if (!(to > from)) {
    [from, to] = from === 0 ? [0, 1] : [Math.min(from, 0), Math.max(from, 0)];
  }
  if (mayGrow) [from, to] = isLog ? grownLog(from, to) : grown(from, to, options.ticks);
  const ticks = (isLog ? logTicks : linearTicks)(from, to, options.ticks);
  const [low, high] = isLog ? [Math.log10(from), Math.log10(to)] : [from, to];
  return {
    from, to, isLog, ticks,
    at(value) {
      if (isLog && !(value > 0)) return NaN;
      const place = isLog ? Math.log10(value) : value;
      return first + ((place - low) / (high - low)) * (last - first);
    },
  };
}

/** The least of 1, 2, 2.5, 5 × 10^n that divides the span into at most so many parts. */
export function niceStep(span: number, parts: number): number {
  const raw = span / Math.max(1, parts);
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 2.5, 5, 10].find((one) => one * power >= raw * 0.999_999) ?? 10;
  return factor * power;
}

function linearTicks(from: number, to: number, count: number): number[] {
  const step = niceStep(to - from, count);
  const ticks: number[] = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i++) ticks.push(clean(i * step));
  return ticks;
}

function grown(from: number, to: number, count: number): [number, number] {
  const step = niceStep(to - from, count);
  return [clean(Math.floor(from / step + 1e-9) * step), clean(Math.ceil(to / step - 1e-9) * step)];
}

/** Powers of ten; with few of them also their doubles and fives. */
function logTicks(from: number, to: number, count: number): number[] {
  const [first, last] = [Math.floor(Math.log10(from) + 1e-9), Math.ceil(Math.log10(to) - 1e-9)];
  const decades = last - first;
  const factors = decades <= 2 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(decades / Math.max(1, count * 1.5)));
  const ticks: number[] = [];
  for (let power = first; power <= last; power += every) {
    for (const factor of factors) {
      const value = clean(factor * 10 ** power);
      if (value >= from * 0.999_999 && value <= to * 1.000_001) ticks.push(value);
    }
  }
  return ticks;
}

function grownLog(from: number, to: number): [number, number] {
  const steps = [1, 2, 5, 10];
  const grow = (value: number, up: boolean): number => {
    const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
    const factor = value / power;
    const fitting = up
      ? steps.find((one) => one >= factor * 0.999_999) ?? 10
      : steps.findLast((one) => one <= factor * 1.000_001) ?? 1;
    return clean(fitting * power);
  };
  return [grow(from, false), grow(to, true)];
}

/** Without the dust of binary fractions. */
function clean(value: number): number {
  return Number(value.toPrecision(12));
}

const suffixes = [[1e9, "G"], [1e6, "M"], [1e4, "k"]] as const;

/** A short number: `0.25`, `1500`, `20k`, `3M`. */
export function shortNumber(value: number): string {
  for (const [least, suffix] of suffixes) {
    if (Math.abs(value) >= least) {
      return `${Number((value / (suffix === "k" ? 1e3 : least)).toPrecision(4))}${suffix}`;
    }
  }
  return String(Number(value.toPrecision(4)));
}
