/** The page of a server's methods: one document of HTML that needs nothing else, made from its OpenAPI document. */
import type { OpenApiDocument } from "../../contract/openapi/export.ts";
import { callScript } from "./script-call.ts";
import { formScript } from "./script-form.ts";
import { listScript } from "./script-list.ts";
import { docsStyle } from "./style.ts";

/** What the page may do: its own script and style, and requests to where it came from. Nothing may embed it. */
export function docsPolicy(nonce: string): string {
  return `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; ` +
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

/** The page. `nonce` marks what of it may run; a new one for every answer. */
export function docsPage(document: OpenApiDocument, nonce: string): string {
  const { title, version } = document.info;
  // Inside a script element, nothing may look like its end, or like a comment.
  const data = JSON.stringify(document).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${docsStyle}</style>
</head>
<body>
<a class="skip" href="#methods">To the methods</a>
<header><h1>${escaped(title)}</h1><p class="hint">Version ${escaped(version)}</p></header>
<div class="columns">
<nav aria-label="Methods">
<label for="find">Find a method</label>
<input id="find" type="search" autocomplete="off">
<p class="hint" id="found" role="status" aria-live="polite"></p>
<div class="services" id="services"></div>
</nav>
<main id="methods" tabindex="-1"><noscript>The forms of this page are made by its script.</noscript></main>
</div>
<script type="application/json" id="api">${data}</script>
<script nonce="${nonce}">"use strict";
(() => {
const api = JSON.parse(document.getElementById("api").textContent);
// Beside the page, wherever a proxy has put it.
const base = new URL("./", location.href);
${formScript}${callScript}${listScript}
})();
</script>
</body>
</html>
`;
}

/** What is shown where the contracts cannot be described. */
export function failedPage(message: string): string {
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>No description</title></head><body>` +
    `<main><h1>What is served cannot be described</h1><p>${escaped(message)}</p></main></body></html>\n`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
