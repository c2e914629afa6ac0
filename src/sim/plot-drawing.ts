/** A Drawing is marks in pixels, each with the name of a colour: what a chart is before it is SVG or PNG. */

/** A role, or the number of a series. */
export type Colour = "background" | "grid" | "axis" | "text" | "faint" | "marker" | number;

export type Mark = LineMark | AreaMark | TextMark;

interface LineMark {
  readonly kind: "line";
  /** x, y, x, y, … */
  readonly points: readonly number[];
  readonly colour: Colour;
  readonly width: number;
  /** Lengths of dashes and gaps in turn. */
  readonly dash?: readonly number[] | undefined;
}

interface AreaMark {
  readonly kind: "area";
  readonly points: readonly number[];
  readonly colour: Colour;
  readonly opacity: number;
}

interface TextMark {
  readonly kind: "text";
  readonly x: number;
  /** Of the baseline. */
  readonly y: number;
  readonly text: string;
  readonly size: number;
  readonly anchor: "start" | "middle" | "end";
  readonly colour: Colour;
  /** Reads from below to above. */
  readonly isTurned?: boolean;
  readonly isBold?: boolean;
}

export interface Drawing {
  readonly width: number;
  readonly height: number;
  /** What comes later covers what came before. */
  readonly marks: readonly Mark[];
}
