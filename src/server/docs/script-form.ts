/** The half of the page's script that makes forms from schemas, and reads what was filled in. */
export const formScript = String.raw`
let lastId = 0;
const nextId = () => "e" + ++lastId;

/** An element; attributes that are undefined or false are left out. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** What a schema is, without references, and without the null that it may also be. */
function resolved(schema) {
  let at = schema ?? {};
  for (let i = 0; i < 32; i++) {
    if (typeof at.$ref === "string" && at.$ref.startsWith("#/")) {
      const { description } = at;
      at = at.$ref.slice(2).split("/").map((part) => decodeURIComponent(part).replaceAll("~1", "/")
        .replaceAll("~0", "~")).reduce((place, key) => place?.[key], api) ?? {};
      if (description !== undefined) at = { ...at, description };
      continue;
    }
    const options = (at.anyOf ?? []).filter(({ type }) => type !== "null");
    if (options.length !== 1 || at.anyOf.length < 2) break;
    at = { ...options[0], ...(at.description !== undefined && { description: at.description }) };
  }
  return at;
}

const scalarTypes = ["string", "integer", "number", "boolean"];
function scalarOf(schema) {
  const types = [schema.type].flat();
  if (schema.enum !== undefined) return "enum";
  if (types.includes("number") && types.includes("string")) return "number";
  return scalarTypes.find((type) => types.includes(type));
}

function hintOf(schema) {
  const kind = scalarOf(schema);
  if (schema.contentEncoding === "base64") return "base64";
  if (kind === "enum") return "one of the list";
  if (schema.type === "array") return "list";
  return [schema.format ?? kind ?? "JSON"].join("");
}

/** A label, a control and what is said of them; "control" gets the ids that tie them together. */
function labelled(name, schema, isRequired, control, more) {
  const id = nextId();
  control.id = id;
  const wrong = make("p", { class: "wrong", id: id + "-wrong", hidden: true });
  const about = schema.description === undefined ? undefined
    : make("p", { class: "hint", id: id + "-about" }, schema.description);
  control.setAttribute("aria-describedby",
    id + "-kind " + (about === undefined ? "" : id + "-about ") + id + "-wrong");
  if (isRequired) control.setAttribute("aria-required", "true");
  const label = make("p", {}, make("label", { for: id }, name),
    make("span", { class: "hint", id: id + "-kind" },
      (isRequired ? "required, " : "") + (more ?? hintOf(schema))));
  const say = (text) => {
    wrong.textContent = text ?? "";
    wrong.hidden = text === undefined;
    if (text === undefined) control.removeAttribute("aria-invalid");
    else control.setAttribute("aria-invalid", "true");
  };
  return { element: make("div", { class: "field" }, label, about, control, wrong), say };
}

class Unreadable extends Error {
  constructor(message, control) {
    super(message);
    this.control = control;
  }
}

function readScalar(text, schema, kind) {
  if (kind === "boolean") return text === "true";
  if (kind !== "integer" && kind !== "number") return text;
  if (kind === "number" && ["NaN", "Infinity", "-Infinity"].includes(text)) return text;
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) throw new Error("a number is expected");
  if (kind === "integer" && !Number.isInteger(number)) throw new Error("a whole number is expected");
  return number;
}

/** A field of one control: how its text becomes a value, and back. Empty is left out. */
function simpleField(name, schema, isRequired, { control, more, parse, print }) {
  const { element, say } = labelled(name, schema, isRequired, control, more);
  return {
    name, element,
    read() {
      say(undefined);
      if (control.value === "") {
        if (!isRequired) return undefined;
        say("It is required.");
        throw new Unreadable(name + " is required", control);
      }
      try {
        return parse(control.value);
      } catch (error) {
        say("This cannot be read: " + error.message + ".");
        throw new Unreadable(name + ": " + error.message, control);
      }
    },
    write: (value) => { control.value = value === undefined || value === null ? "" : print(value); },
  };
}

function select(values) {
  return make("select", {}, make("option", { value: "" }, "(left out)"),
    ...values.map((value) => make("option", { value }, value)));
}

function jsonField(name, schema, isRequired, more, rows) {
  return simpleField(name, schema, isRequired, {
    control: make("textarea", { rows: String(rows ?? 4), spellcheck: "false" }), more: more ?? "JSON",
    parse: (text) => JSON.parse(text), print: (value) => JSON.stringify(value, undefined, 2),
  });
}

function listField(name, schema, isRequired, items) {
  const kind = scalarOf(items);
  return simpleField(name, schema, isRequired, {
    control: make("textarea", { rows: "2", spellcheck: "false" }),
    more: "list of " + hintOf(items) + ", one in each line",
    parse: (text) => text.split("\n").filter((line) => line !== "").map((line) => readScalar(line, items, kind)),
    print: (value) => value.join("\n"),
  });
}

const deepest = 4;

/** The field of a schema; what no form says well is written as JSON. */
function fieldOf(name, given, isRequired, depth, hint) {
  const schema = resolved(given);
  const kind = scalarOf(schema);
  if (kind === "enum" || kind === "boolean") {
    const values = kind === "enum" ? schema.enum.filter((value) => value !== null).map(String) : ["true", "false"];
    return simpleField(name, schema, isRequired, {
      control: select(values), more: hint, parse: (text) => readScalar(text, schema, kind), print: String,
    });
  }
  if (kind !== undefined) {
    const isNumber = kind !== "string" || schema.format === "int64" || schema.format === "uint64";
    const control = make("input", { type: "text", autocomplete: "off", spellcheck: "false",
      inputmode: isNumber ? (kind === "number" ? "decimal" : "numeric") : undefined,
      placeholder: schema.format === "date-time" ? "2031-02-03T04:05:06Z" : undefined });
    return simpleField(name, schema, isRequired, {
      control, more: hint, parse: (text) => readScalar(text, schema, kind), print: String,
    });
  }
  if (schema.type === "array") {
    const items = resolved(schema.items);
    if (scalarOf(items) !== undefined) return listField(name, schema, isRequired, items);
  }
  if (schema.type === "object" && schema.properties !== undefined && depth < deepest) {
    return objectField(name, schema, isRequired, depth);
  }
  return jsonField(name, schema, isRequired, hint);
}

function objectField(name, schema, isRequired, depth) {
  const needed = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties).map(([key, one]) =>
    fieldOf(key, one, depth === 0 && needed.has(key) && scalarOf(resolved(one)) !== undefined, depth + 1));
  const element = make("fieldset", {}, make("legend", {}, name),
    schema.description === undefined ? undefined : make("p", { class: "hint" }, schema.description),
    ...fields.map((field) => field.element));
  return {
    name, element,
    read() {
      const entries = fields.map((field) => [field.name, field.read()]).filter(([, value]) => value !== undefined);
      return entries.length === 0 && !isRequired ? undefined : Object.fromEntries(entries);
    },
    write(value) {
      for (const field of fields) field.write(value?.[field.name]);
    },
  };
}

/** The body: a form, or the JSON that it makes, as the reader likes. */
function bodyField(requestBody) {
  const types = Object.keys(requestBody.content ?? {});
  const type = types.find((one) => one === "application/json") ?? types[0] ?? "application/json";
  const given = requestBody.content?.[type]?.schema ?? {};
  const lines = /ndjson|jsonl/.test(type);
  const schema = resolved(given);
  const asJson = jsonField(lines ? "Messages" : "Body", {}, false, lines ? "JSON, one message in each line"
    : type, 8);
  if (lines || schema.type !== "object" || schema.properties === undefined) {
    if (!lines) return { type, element: make("fieldset", {}, make("legend", {}, "Request body"), asJson.element),
      read: () => { const value = asJson.read(); return value === undefined ? "" : JSON.stringify(value); } };
    const control = asJson.element.querySelector("textarea");
    return { type, element: make("fieldset", {}, make("legend", {}, "Request stream"), asJson.element),
      read: () => control.value.split("\n").filter((line) => line.trim() !== "").map((line) => {
        try { return JSON.stringify(JSON.parse(line)) + "\n"; } catch (error) {
          throw new Unreadable("a line is no JSON: " + error.message, control);
        }
      }).join("") };
  }
  const form = objectField("Fields", schema, true, 0);
  const id = nextId();
  const toggle = make("input", { type: "checkbox", id });
  asJson.element.hidden = true;
  toggle.addEventListener("change", () => {
    try {
      if (toggle.checked) asJson.write(form.read());
      else form.write(asJson.read());
    } catch { /* What cannot be read yet stays where it is; sending says why. */ }
    asJson.element.hidden = !toggle.checked;
    form.element.hidden = toggle.checked;
  });
  return {
    type,
    element: make("fieldset", {}, make("legend", {}, "Request body"),
      make("label", { for: id }, toggle, "Write it as JSON"), form.element, asJson.element),
    read: () => JSON.stringify((toggle.checked ? asJson.read() : form.read()) ?? {}),
  };
}
`;
