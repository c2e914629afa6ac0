/**
 * The letters of pictures: each is strokes of a plotter's pen on a grid, so that they can be drawn at any size with
 * the same lines as everything else.
 *
 * A stroke is pairs of a column and a row: columns 0 to 4 from the left, rows 0 (the baseline) to 6 (capitals), 4 for
 * small letters, `a` and `b` for one and two below the baseline. A stroke of one pair twice is a dot.
 */
const glyphs: Readonly<Record<string, string>> = {
  A: "002640 1232", B: "00063645443303 3342413000", C: "4130100105163645", D: "00062644422000", E: "46060040 0333",
  F: "460600 0333", G: "45361605011030414323", H: "0006 4046 0343", I: "0020 1016 0626", J: "0110304146",
  K: "0006 0246 1340", L: "060040", M: "0006234640", N: "00064046", O: "103041453616050110", P: "00063645433202",
  Q: "103041453616050110 2240", R: "00063645433202 2240", S: "011030414233130405163645", T: "2026 0646",
  U: "060110304146", V: "062046", W: "0610243046", X: "0046 0640", Y: "062346 2320", Z: "06460040",
  0: "103041453616050110", 1: "051610 0020", 2: "05163645440040", 3: "05163645443323 334241301001",
  4: "30360242", 5: "460603334241301001", 6: "453616050110304142331302", 7: "064610",
  8: "130405163645443313 1302011030414233", 9: "011030414536160504133344",
  a: "0314243330 321201102031", b: "0006 0314243331201001", c: "3324140301102031", d: "3036 3324140301102031",
  e: "02323324140301102031", f: "26161510 0424", g: "343a2b1b0a 3324140301102031", h: "0006 0314243330",
  i: "0004 0606", j: "141a0b 1616", k: "0006 0134 1230", l: "060110", m: "0004 03142320 23344340",
  n: "0004 0314243330", o: "102031332414030110", p: "040b 0314243331201001", q: "343b 3324140301102031",
  r: "0004 031424", s: "01102031221203142433", t: "16112030 0424", u: "0401102031 3034", v: "042044", w: "0410233044",
  x: "0034 0430", y: "0420 441b", z: "04340030",
  ".": "0000", ",": "100a", ":": "0000 0303", ";": "1313 100a", "-": "0232", "+": "0242 2024", "=": "0141 0343",
  "/": "0046", "\\": "0640", "%": "0046 0506161505 3130404131", "(": "16050110", ")": "06151100", "[": "16060010",
  "]": "06161000", "{": "26161403121020", "}": "06161423121000", "<": "340230",
  ">": "043200", "_": "0a3a", "'": "0605", '"': "0605 1615", "!": "0602 0000", "?": "05162635342322 2020",
  "*": "2125 0244 0442", "#": "1016 3036 0242 0444", "$": "011031321203042434 1b15", "&": "40051626351201103042",
  "@": "31332413122131 3142443616050110", "^": "041634", "|": "0b06", "~": "02132233", "`": "0615",
  "×": "0133 0331", "·": "0202", "–": "0242", "—": "0242", "±": "0343 2125 0040",
  "≥": "063402 0030", "≤": "360432 0030",
  "…": "0000 2020 4040", "→": "0242 314233", "µ": "040b 0110203134", "°": "0506161505",
};

const space = 2.5;
/** Between two letters. */
const gap = 1.5;
/** Stands for a letter that there is none of. */
const box = "0006363000";

const rows: Readonly<Record<string, number>> = { a: -1, b: -2 };

interface Letter {
  readonly width: number;
  readonly strokes: readonly (readonly number[])[];
}

const letters = new Map<string, Letter>();

function letterOf(character: string): Letter {
  let letter = letters.get(character);
  if (letter === undefined && letters.size < 1_000) letters.set(character, letter = readLetter(character));
  return letter ?? readLetter(character);
}

function readLetter(character: string): Letter {
  if (character === " ") return { width: space, strokes: [] };
  const strokes = (Object.hasOwn(glyphs, character) ? glyphs[character] as string : box).split(" ")
    .map((stroke) => Array.from(stroke).map((digit) => rows[digit] ?? Number(digit)));
  const columns = strokes.flatMap((stroke) => stroke.filter((_, i) => i % 2 === 0));
  return { width: Math.max(...columns) + gap, strokes };
}

/** The width of a text in grid columns; a capital is six rows high. */
export function textWidth(text: string): number {
  return Math.max(0, Array.from(text).reduce((sum, character) => sum + letterOf(character).width, 0) - gap);
}

/** The strokes of a text that begins at column 0: x, y, x, y, … with y upwards. */
export function strokesOf(text: string): number[][] {
  let left = 0;
  return Array.from(text).flatMap((character) => {
    const { width, strokes } = letterOf(character);
    const at = left;
    left += width;
    return strokes.map((stroke) => stroke.map((value, i) => (i % 2 === 0 ? value + at : value)));
  });
}
