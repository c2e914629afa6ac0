// Rows of experiments as Markdown: a table for each, and an overview of all goals.
import type { Row } from "./rows.ts";

/** The rows in the text of a file; npm announces what it runs on standard output, so that some lines are none. */
export function rowsOf(text: string): Row[] {
  return text.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Row);
}

/** A line for each figure of each case, a column for each policy. */
export function rowTable(its: readonly Row[]): string {
  const policies = [...new Set(its.map((row) => row.policy))];
  const figures = [...new Set(its.map((row) => `${row.case}: ${row.unit}`))];
  const lines = figures.map((figure) => {
    const found = its.filter((row) => `${row.case}: ${row.unit}` === figure);
    const cells = policies.map((policy) => cellOf(found.find((row) => row.policy === policy)));
    const published = found.map((row) => row.published).find((text) => text !== null) ?? "";
    return `| ${[figure, ...cells, published].join(" | ")} |`;
  });
  const heads = ["", ...policies, "published"];
  return [`| ${heads.join(" | ")} |`, `| --- |${" ---: |".repeat(policies.length)} --- |`, ...lines].join("\n");
}

function cellOf(row: Row | undefined): string {
  if (row === undefined) return "";
  if (row.goal === null) return valueOf(row);
  const [value = "", ...spread] = valueOf(row).split(" ");
  return `**${value}**${spread.map((part) => ` ${part}`).join("")} (${row.goal}: ${verdict(row)})`;
}

function valueOf({ value, ci95 }: Row): string {
  const text = value.toLocaleString("en", { maximumSignificantDigits: 4 });
  return ci95 > 0 ? `${text} ± ${ci95.toLocaleString("en", { maximumSignificantDigits: 2 })}` : text;
}

function verdict({ met }: Row): string {
  return met === true ? "met" : "missed";
}

/** Goals of one experiment that the overview shows one by one; of more it counts those that were met. */
const fewGoals = 6;

/** A line for each goal that was missed or has few beside it; met ones of an experiment with many goals are counted. */
export function overviewTable(rows: readonly Row[], document = ""): string {
  const lines: string[] = [];
  for (const [experiment, its] of Map.groupBy(rows, (row) => row.experiment)) {
    const goals = its.filter((row) => row.goal !== null);
    const anchor = anchorOf(document, experiment);
    const link = anchor === undefined ? experiment : `[${experiment}](#${anchor})`;
    const met = goals.filter((row) => row.met === true);
    const shown = goals.length <= fewGoals ? goals : goals.filter((row) => row.met !== true);
    for (const row of shown) {
      const figure = `${row.case}: ${row.unit}${row.policy === "ours" ? "" : ` (${row.policy})`}`;
      const judged = row.met === true ? "met" : "**missed**";
      lines.push(`| ${link} | ${figure} | ${valueOf(row)} | ${row.goal} | ${judged} |`);
    }
    if (shown.length < goals.length) {
      const which = shown.length === 0 ? "all" : "the others";
      lines.push(`| ${link} | ${which} of ${goals.length} goals | | | ${met.length} met |`);
    }
    if (goals.length === 0) lines.push(`| ${link} | without goals: ${its.length} figures | | | |`);
  }
  return ["| experiment | figure | ours | goal | |", "| --- | --- | ---: | --- | --- |", ...lines].join("\n");
}

/** How many seeds each ran, and how long that took where it was noted. */
export function timesTable(rows: readonly Row[], seconds: Readonly<Record<string, number>>): string {
  const lines = [...Map.groupBy(rows, (row) => row.experiment)].map(([experiment, its]) => {
    const seeds = its.reduce((most, row) => Math.max(most, row.seeds), 0);
    const took = seconds[experiment];
    return `| ${experiment} | ${seeds} | ${its.length} | ${took === undefined ? "not noted" : timeOf(took)} |`;
  });
  return ["| experiment | seeds | figures | took |", "| --- | ---: | ---: | ---: |", ...lines].join("\n");
}

function timeOf(seconds: number): string {
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

/** Where the section of an experiment begins, as links to headings are written. */
function anchorOf(document: string, experiment: string): string | undefined {
  const heading = document.split("\n").find((line) => line.startsWith(`## ${experiment}`) &&
    !/^[\w-]/.test(line.slice(`## ${experiment}`.length)));
  return heading?.slice(3).toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(/\s/g, "-");
}

/** Puts a text between the markers of a section; undefined if the document has none of that name. */
export function withSection(document: string, name: string, text: string): string | undefined {
  const [begin, end] = [`<!-- ${name}: from rows -->`, `<!-- end of ${name} -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from === -1 || to < from) return undefined;
  return `${document.slice(0, from)}${begin}\n\n${text}\n\n${document.slice(to)}`;
}
