/** The page's script that lists services and methods, and puts a form behind each. */
export const listScript = String.raw`
const verbs = ["get", "put", "post", "delete", "patch", "head", "options"];
const operations = Object.entries(api.paths ?? {}).flatMap(([path, item]) => verbs
  .filter((verb) => item[verb] !== undefined).map((verb) => ({
    path, verb, operation: item[verb], tag: item[verb].tags?.[0] ?? "Methods",
    parameters: [...(item.parameters ?? []), ...(item[verb].parameters ?? [])],
    id: item[verb].operationId ?? verb + path,
  })));
const nameOf = ({ id, tag }) => (id.startsWith(tag + ".") ? id.slice(tag.length + 1) : id);

/** What a form shows of its call. */
function viewOf(answer) {
  const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
  const section = (title, content) => {
    const whole = make("div", { hidden: true }, make("h4", {}, title), content);
    return { whole, content, set(text) { content.textContent = text; whole.hidden = text === ""; } };
  };
  const pre = (label) => make("pre", { tabindex: "0", role: "region", "aria-label": label });
  const body = section("Body", pre("Body of the reply"));
  const messages = section("Messages", make("ol", {
    class: "messages", role: "log", "aria-live": "polite", "aria-label": "Messages of the stream", tabindex: "0",
  }));
  const headers = section("Headers", pre("Headers of the reply"));
  const curl = make("pre", { tabindex: "0", role: "region", "aria-label": "The request for curl" });
  const asCurl = make("details", { hidden: true }, make("summary", {}, "The same by curl"), curl);
  answer.append(status, body.whole, messages.whole, headers.whole, asCurl);
  return {
    begin(command) {
      status.className = "status";
      status.textContent = "Sent, waiting for the answer";
      for (const one of [body, messages, headers]) one.set("");
      curl.textContent = command;
      asCurl.hidden = false;
    },
    status(text, isRight) {
      status.className = "status " + (isRight ? "right" : "wrong");
      status.textContent = text;
    },
    headers: headers.set, body: (text) => body.set(text === "" ? "(empty)" : text),
    messages() {
      messages.whole.hidden = false;
      return messages.content;
    },
  };
}

function acceptField(operation) {
  const types = Object.keys(operation.responses?.["200"]?.content ?? {});
  if (types.length === 0) return undefined;
  const control = make("select", {}, ...types.map((value) => make("option", { value }, value)));
  return { control, element: labelled("Reply as", {}, false, control, "Accept").element };
}

function formOf(method) {
  const { operation, path, verb } = method;
  const parameters = method.parameters.map(resolved).filter((one) => one.in === "path" || one.in === "query")
    .map((parameter) => ({
      parameter,
      field: fieldOf(parameter.name, { description: parameter.description, ...resolved(parameter.schema) },
        parameter.required === true, 1, parameter["x-path-template"]),
    }));
  const body = operation.requestBody === undefined ? undefined : bodyField(resolved(operation.requestBody));
  const headers = make("textarea", { rows: "2", spellcheck: "false", placeholder: "authorization: Bearer …" });
  const accept = acceptField(operation);
  const send = make("button", { type: "submit" }, "Send");
  const cancel = make("button", { type: "button", disabled: true }, "Cancel");
  const answer = make("section", { "aria-label": "Answer of " + nameOf(method) });
  const view = viewOf(answer);
  const form = make("form", { novalidate: true, "aria-label": nameOf(method) },
    operation.description === undefined ? undefined : make("p", { class: "about" }, operation.description),
    parameters.length === 0 ? undefined : make("fieldset", {}, make("legend", {}, "Parameters"),
      ...parameters.map(({ field }) => field.element)),
    body?.element,
    make("details", {}, make("summary", {}, "Headers and type of the reply"),
      labelled("Headers", {}, false, headers, "name: value, one in each line").element, accept?.element),
    send, cancel, answer);
  let abort;
  cancel.addEventListener("click", () => abort?.abort());
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (abort !== undefined) return;
    let request;
    try {
      request = { url: urlOf(path, parameters), method: verb.toUpperCase(), body: body?.read(), headers: {
        ...(accept !== undefined && { accept: accept.control.value }),
        ...(body !== undefined && { "content-type": body.type }), ...readHeaders(headers),
      } };
    } catch (error) {
      view.status("Not sent: " + error.message, false);
      error.control?.closest("details:not([open])")?.setAttribute("open", "");
      error.control?.focus();
      return;
    }
    abort = new AbortController();
    cancel.disabled = false;
    form.setAttribute("aria-busy", "true");
    await call(request, view, abort.signal);
    abort = undefined;
    form.removeAttribute("aria-busy");
    // Who pressed it keeps a place to go on from.
    if (document.activeElement === cancel) send.focus();
    cancel.disabled = true;
  });
  return form;
}

/** A method, whose form is made once it is opened: there may be hundreds. */
function methodOf(method) {
  const heading = make("h3", {}, make("span", { class: "verb " + method.verb }, method.verb.toUpperCase()),
    make("code", {}, method.path), make("span", { class: "name" }, nameOf(method)));
  const details = make("details", { class: "method", id: method.id }, make("summary", {}, heading));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(formOf(method));
  });
  return details;
}

const main = document.getElementById("methods");
const list = document.getElementById("services");
const rows = [];
for (const tag of new Set([...(api.tags ?? []).map(({ name }) => name), ...operations.map((one) => one.tag)])) {
  const own = operations.filter((one) => one.tag === tag);
  if (own.length === 0) continue;
  const id = nextId();
  const links = make("ul", {});
  const group = make("div", {}, make("strong", {}, tag), links);
  const section = make("section", { "aria-labelledby": id }, make("h2", { id }, tag));
  for (const method of own) {
    const details = methodOf(method);
    const link = make("a", { href: "#" + encodeURIComponent(method.id) }, nameOf(method));
    link.addEventListener("click", () => { details.open = true; details.querySelector("summary").focus(); });
    const item = make("li", {}, link);
    links.append(item);
    section.append(details);
    const text = (method.id + " " + method.path + " " + method.verb).toLowerCase();
    rows.push({ text, details, item, section, group });
  }
  list.append(group);
  main.append(section);
}

const find = document.getElementById("find");
const found = document.getElementById("found");
find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\s+/);
  const shown = rows.filter((row) => {
    const isShown = words.every((word) => row.text.includes(word));
    row.details.hidden = row.item.hidden = !isShown;
    return isShown;
  });
  for (const { section, group } of rows) {
    section.hidden = group.hidden = !shown.some((row) => row.section === section);
  }
  found.textContent = shown.length + (shown.length === 1 ? " method" : " methods");
});
found.textContent = rows.length + (rows.length === 1 ? " method" : " methods");
const open = () => {
  const asked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (asked?.tagName === "DETAILS") { asked.open = true; asked.scrollIntoView(); }
};
addEventListener("hashchange", open);
open();
`;
