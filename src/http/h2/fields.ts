/** What a field of a message may be in HTTP/2 (RFC 9113, section 8.2). */

/** Characters of names: those of tokens (RFC 9110, section 5.6.2), but no upper case. */
const nameUnits = new Uint8Array(256);
for (const unit of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") nameUnits[unit.charCodeAt(0)] = 1;
const methodUnits = nameUnits.slice();
for (let unit = 0x41; unit <= 0x5a; unit++) methodUnits[unit] = 1;

function consistsOf(units: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (units[text.charCodeAt(i)] !== 1) return false;
  return text !== "";
}

export function isMethod(text: string): boolean {
  return consistsOf(methodUnits, text);
}

/** What is wrong with a field; undefined if nothing. Names that begin with a colon are for the caller to know. */
export function fieldFault(name: string, value: string): string | undefined {
  if (!consistsOf(nameUnits, name) && name.charCodeAt(0) !== 0x3a) {
    return `the field name ${JSON.stringify(name.slice(0, 64))} is not made of the characters of lower-case tokens`;
  }
  const wrong = valueFault(value);
  if (wrong !== undefined) return `the value of ${name.slice(0, 64)} ${wrong}`;
  switch (name) {
    case "connection":
    case "keep-alive":
    case "proxy-connection":
    case "transfer-encoding":
    case "upgrade":
      return `${name} is a field of HTTP/1.1`;
    case "te":
      return value === "trailers" ? undefined : "te may only be trailers";
    default:
      return undefined;
  }
}

function valueFault(value: string): string | undefined {
  const { length } = value;
  if (length === 0) return undefined;
  for (let i = 0; i < length; i++) {
    const unit = value.charCodeAt(i);
    if (unit > 0xff) return "has a character beyond Latin-1: encode it";
    if (unit === 0 || unit === 0x0a || unit === 0x0d) return "has a line break or a zero";
  }
  return isSpace(value.charCodeAt(0)) || isSpace(value.charCodeAt(length - 1))
    ? "begins or ends with white space" : undefined;
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x09;
}
