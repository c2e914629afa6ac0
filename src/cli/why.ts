/** `meridian why`: the decision record of a call as text: each attempt with its candidates, and where its time went. */
import { Command } from "commander";
import type { Decision, DecisionAttempt, DecisionCandidate } from "../admin/index.ts";
import { adminExits, type AdminFlags, asking, exiting, jsonLine, withAdmin } from "./admin-access.ts";
import { type Column, columns } from "./columns.ts";

interface Flags extends AdminFlags {
  readonly service?: string;
  readonly code?: string;
  readonly kept?: string;
  readonly limit: string;
}

export function whyCommand(ended: (code: number) => void): Command {
  return withAdmin(new Command("why")
    .description("Why a call went where it went, and where its time went. Without an id: the records that are kept.")
    .argument("[id]", "of the record (the trailer meridian-decision of a call with the metadata meridian-why: 1),\n" +
      "or of a trace"))
    .option("--service <name>", "of the list: of this service")
    .option("--code <code>", "of the list: that ended with this code")
    .option("--kept <why>", "of the list: asked, failed, slow, repeated, sample")
    .option("--limit <n>", "of the list: at most so many", "20")
    .addHelpText("after", adminExits)
    .action((id: string | undefined, flags: Flags) => exiting(ended, () => asking(flags, true, async (calls) => {
      if (id !== undefined) {
        const record = await calls.why({ id });
        const lines = flags.json === true ? jsonLine(record) : recordText(record, process.stdout.columns);
        process.stdout.write(`${lines}\n`);
        return 0;
      }
      const { service, code, kept, limit } = flags;
      const { decisions } = await calls.decisions({ service, code, kept, limit: Number(limit) });
      const text = flags.json === true ? decisions.map(jsonLine) : listText(decisions, process.stdout.columns);
      process.stdout.write(text.map((line) => `${line}\n`).join(""));
      return 0;
    })));
}

const listed: readonly Column<Decision>[] = [
  { title: "ID", text: ({ id }) => id },
  { title: "AT", text: ({ atMs }) => new Date(atMs).toISOString().slice(11, 23) },
  { title: "CALL", text: ({ service, method }) => `${service}/${method}` },
  { title: "CODE", text: ({ code }) => code },
  { title: "TOOK", text: ({ durationMs }) => ms(durationMs), right: true },
  { title: "KEPT", text: ({ kept }) => kept },
  { title: "WAY", text: ({ attempts }) => attempts.map(({ endpoint, code }) =>
    `${endpoint || "nobody"}${code === "ok" ? "" : ` (${code})`}`).join(", then ") },
];

function listText(decisions: readonly Decision[], width?: number): string[] {
  return decisions.length === 0 ? ["no records are kept yet"] : columns(listed, decisions, width);
}

const candidateColumns: readonly Column<DecisionCandidate>[] = [
  { title: "", text: ({ chosen }) => (chosen ? ">" : "") },
  { title: "ENDPOINT", text: ({ endpoint }) => endpoint },
  { title: "REGION", text: ({ region, zone }) => (zone === "" ? region : `${region}/${zone}`) },
  { title: "STATUS", text: ({ status }) => status },
  {
    title: "SCORE", right: true,
    text: ({ score }) => (score === undefined ? "" : String(Math.round(score * 1_000) / 1_000)),
  },
  { title: "WHY NOT", text: ({ rejected }) => rejected },
];

/** A record as lines of text, `width` columns wide. */
export function recordText(record: Decision, width = 100): string {
  const { service, method, code, message, durationMs, deadlineMs, attempts, phases } = record;
  const lines = [
    `${service}/${method}  ${code}${message === "" ? "" : `: ${message}`}`,
    `record ${record.id}, kept because it was ${keptText(record.kept)}` +
      (record.traceId === "" ? "" : `; trace ${record.traceId}`),
    [
      `began ${new Date(record.atMs).toISOString()}${record.from === "" ? "" : ` in ${record.from}`}`,
      `took ${ms(durationMs)}${deadlineMs === 0 ? "" : ` of ${ms(deadlineMs)}`}`,
      ...(record.routeKey === "" ? [] : [`route key ${record.routeKey}`]),
    ].join(", "),
  ];
  for (const attempt of attempts) lines.push("", ...attemptLines(attempt, width));
  if (phases.length > 0) lines.push("", ...waterfall(record, width));
  return lines.join("\n");
}

function keptText(kept: string): string {
  switch (kept) {
    case "asked": return "asked for";
    case "sample": return "one of a sample";
    default: return kept;
  }
}

function attemptLines(attempt: DecisionAttempt, width: number): string[] {
  const { number, kind, because, endpoint, region, startedMs, endedMs, code, message, route, rule } = attempt;
  const to = endpoint === "" ? "nobody" : `${endpoint}${region === "" ? "" : ` in ${region}`}`;
  const lines = [`attempt ${number + 1} (${kind}) to ${to}: ${code} after ${ms(endedMs - startedMs)}`];
  if (message !== "") lines.push(`  ${message}`);
  if (because !== "") lines.push(`  made because: ${because}`);
  if (rule !== "") lines.push(`  by the rule: ${rule}`);
  if (route !== "") lines.push(`  regions: ${route}`);
  if (attempt.candidates.length > 0) {
    lines.push(`  candidates, ${attempt.seen === "pick" ? "as it was chosen" : "as they were when it ended"}:`);
    lines.push(...columns(candidateColumns, attempt.candidates, width - 4).map((line) => `    ${line}`));
  }
  if (attempt.candidatesOmitted > 0) lines.push(`    and ${attempt.candidatesOmitted} more`);
  return lines;
}

/** One bar a phase, in proportion to the whole call. */
function waterfall({ phases, durationMs }: Decision, width: number): string[] {
  const widest = Math.max(...phases.map(({ name }) => name.length));
  const room = Math.max(10, Math.min(60, width - widest - 16));
  const scale = durationMs > 0 ? room / durationMs : 0;
  return ["time", ...phases.map(({ name, startMs, endMs }) => {
    const from = Math.min(room - 1, Math.floor(startMs * scale));
    const to = Math.min(room, Math.max(from + 1, Math.ceil(endMs * scale)));
    const bar = `${" ".repeat(from)}${"█".repeat(to - from)}`.padEnd(room);
    return `  ${name.padEnd(widest)} |${bar}| ${ms(endMs - startMs)}`;
  })];
}

function ms(value: number): string {
  return value >= 10_000 ? `${(value / 1_000).toFixed(1)} s` : `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}
