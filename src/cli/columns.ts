/** Columns print rows of text aligned, as wide as the screen allows. */

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /** Numbers stand to the right. */
  readonly right?: boolean;
}

/** Lines of a table; a column in which every row is empty is left out. Lines are cut at `width`, if it is given. */
export function columns<Row>(all: readonly Column<Row>[], rows: readonly Row[], width = Infinity): string[] {
  const shown = all.map(({ title, text, right = false }) => ({ title, right, cells: rows.map(text) }))
    .filter(({ cells }) => rows.length === 0 || cells.some((cell) => cell !== ""));
  const lines = ["", ...rows].map((_, line) => shown.map(({ title, right, cells }) => {
    const widest = Math.max(title.length, ...cells.map((cell) => cell.length));
    const cell = line === 0 ? title : cells[line - 1] ?? "";
    return right ? cell.padStart(widest) : cell.padEnd(widest);
  }).join("  ").trimEnd());
  return lines.map((line) => (line.length > width ? `${line.slice(0, Math.max(0, width - 1))}…` : line));
}
