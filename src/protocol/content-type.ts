/** Media types and lists in headers, as far as dialects read them. */

/** A media type without its parameters, in lower case. */
export function mediaType(value: string | undefined): string {
  if (value === undefined) return "";
  const end = value.indexOf(";");
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}

/** Most names of a list that are looked at. */
const maxNames = 16;

/** The names of a list in their order (`gzip, br;q=0.8`), without those that are refused by `q=0`. */
export function listedNames(value: string | undefined): readonly string[] {
  if (value === undefined || value === "") return none;
  const known = lists.get(value);
  if (known !== undefined) return known;
  const names = value.split(",", maxNames).map((one) => one.trim().toLowerCase())
    .filter((one) => one !== "" && !/;\s*q=0(?:\.0*)?\s*$/.test(one))
    .map((one) => one.split(";", 1)[0] as string);
  if (lists.size < maxLists && value.length <= maxListChars) lists.set(value, names);
  return names;
}

const none: readonly string[] = Object.freeze([]);
/** Callers send few different lists, over and over. */
const lists = new Map<string, readonly string[]>();
const maxLists = 256;
const maxListChars = 256;
