/** The half of the page's script that sends requests and shows what comes back, streams as they come. */
export const callScript = String.raw`
/** Most messages of a stream that are shown, and most characters of one text: a page must not grow for ever. */
const mostMessages = 1000;
const mostChars = 1000000;

function indented(text) {
  const short = text.length > mostChars ? text.slice(0, mostChars) + "\n… (" + text.length + " characters)" : text;
  try {
    return text.length > mostChars ? short : JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return short;
  }
}

/** A value in a path: of a field of several segments the slashes stand. */
function inPath(value, template) {
  const text = encodeURIComponent(value);
  return template === undefined ? text : text.replaceAll("%2F", "/");
}

function urlOf(path, parameters) {
  let filled = path;
  const query = new URLSearchParams();
  for (const { parameter, field } of parameters) {
    const value = field.read();
    if (value === undefined) continue;
    if (parameter.in === "path") {
      filled = filled.replace("{" + parameter.name + "}", () => inPath(value, parameter["x-path-template"]));
    } else if (Array.isArray(value)) {
      for (const one of value) query.append(parameter.name, String(one));
    } else if (typeof value === "object") {
      for (const [key, one] of Object.entries(value)) query.append(parameter.name + "[" + key + "]", String(one));
    } else query.append(parameter.name, String(value));
  }
  const search = query.toString();
  return new URL(filled.slice(1) + (search === "" ? "" : "?" + search), base).href;
}

function readHeaders(control) {
  const headers = {};
  for (const line of control.value.split("\n")) {
    if (line.trim() === "") continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim();
    if (colon < 1 || !/^[A-Za-z0-9!#$%&'*+.^_|~-]+$/.test(name)) {
      throw new Unreadable("a header is written as name: value", control);
    }
    headers[name.toLowerCase()] = line.slice(colon + 1).trim();
  }
  return headers;
}

const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
function curlOf({ url, method, headers, body }) {
  return ["curl -N -X " + method + " " + quoted(url),
    ...Object.entries(headers).map(([name, value]) => "-H " + quoted(name + ": " + value)),
    ...(body === undefined ? [] : ["--data-binary " + quoted(body)])].join(" \\\n  ");
}

/** Calls "line" for each line of a body as it comes. */
async function eachLine(response, line) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    held += value ?? "";
    const lines = held.split("\n");
    held = done ? "" : lines.pop();
    for (const one of lines) line(one.endsWith("\r") ? one.slice(0, -1) : one);
    if (done) return;
  }
}

/** Shows the messages of a stream: lines of JSON, or events. Returns how many came, and whether an error ended it. */
async function showStream(response, list, started) {
  let count = 0;
  let failed = false;
  const show = (text, isError) => {
    const since = "+" + Math.round(performance.now() - started) + " ms";
    if (isError) failed = true;
    else count++;
    list.append(make("li", { class: isError ? "wrong" : undefined },
      make("span", { class: "hint" }, (isError ? "error" : "message " + count) + ", " + since),
      make("pre", { tabindex: "0", "aria-label": isError ? "Error" : "Message " + count }, indented(text))));
    if (list.childElementCount > mostMessages) list.firstElementChild.remove();
  };
  if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
    await eachLine(response, (line) => {
      if (line.trim() !== "") show(line, line.startsWith('{"error":{"code":'));
    });
    return { count, failed };
  }
  let name = "";
  let data = [];
  await eachLine(response, (line) => {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    else if (line === "") {
      if (data.length > 0 && name !== "end") show(data.join("\n"), name === "error");
      name = "";
      data = [];
    }
  });
  return { count, failed };
}

async function bodyText(response) {
  const type = response.headers.get("content-type") ?? "";
  if (/json|xml|text/.test(type) || type === "") return indented(await response.text());
  const bytes = new Uint8Array(await response.arrayBuffer());
  const hex = Array.from(bytes.subarray(0, 4096), (one) => one.toString(16).padStart(2, "0")).join(" ");
  return bytes.length + " bytes of " + type + "\n" + hex + (bytes.length > 4096 ? " …" : "");
}

/** Sends one request and shows all that comes of it in "view". */
async function call(request, view, signal) {
  const started = performance.now();
  const took = () => "in " + Math.round(performance.now() - started) + " ms";
  view.begin(curlOf(request));
  try {
    const { url, ...rest } = request;
    const response = await fetch(url, { ...rest, signal, cache: "no-store", redirect: "error" });
    const said = (response.status + " " + response.statusText).trim();
    view.headers([...response.headers].map(([name, value]) => name + ": " + value).join("\n"));
    const type = response.headers.get("content-type") ?? "";
    if (response.ok && /ndjson|jsonl|event-stream/.test(type)) {
      view.status(said + ", messages follow", true);
      const { count, failed } = await showStream(response, view.messages(), started);
      const all = count + (count === 1 ? " message" : " messages");
      view.status(said + ", " + all + " " + took() + (failed ? ", then an error" : ""), !failed);
    } else {
      view.body(await bodyText(response));
      view.status(said + " " + took(), response.ok);
    }
  } catch (error) {
    view.status(signal.aborted ? "Cancelled " + took() : "No answer " + took() + ": " + error.message, false);
  }
}
`;
