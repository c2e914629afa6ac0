/** Text in XML: which characters it has (the production `Char` of XML 1.0), and which must be escaped. */

/** What is no character of XML, or must be escaped; lone surrogates are found by `isWellFormed`. */
// oxlint-disable-next-line no-control-regex
const special = /[\0-\u0008\u000b-\u001f&<>\ud800-\udfff\ufffe\uffff]/;
// oxlint-disable-next-line no-control-regex
const forbidden = /[\0-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;

/** Whether XML has all characters of a text: no controls but tab, line feed and carriage return, no lone surrogates. */
export function isXmlText(text: string): boolean {
  if (text.length < 24) {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit < 0x20 || unit >= 0xd800) return !forbidden.test(text) && text.isWellFormed();
    }
    return true;
  }
  return !special.test(text) || (!forbidden.test(text) && text.isWellFormed());
}

/** A text that {@link isXmlText} holds for. A carriage return would be read as a line feed. */
export function escapeText(text: string): string {
  if (text.length < 24) {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit === 0x26 || unit === 0x3c || unit === 0x3e || unit === 0x0d) return replaced(text);
    }
    return text;
  }
  return special.test(text) ? replaced(text) : text;
}

function replaced(text: string): string {
  return text.replaceAll(/[&<>\r]/g, (one) =>
    (one === "&" ? "&amp;" : one === "<" ? "&lt;" : one === ">" ? "&gt;" : "&#13;"));
}
