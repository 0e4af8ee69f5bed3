// A page about the routes, from the server's own schema; it needs no other site.

const schema = await (await fetch("../openapi.json")).json();
const make = (/** @type {string} */ name, /** @type {string} */ text = "") =>
  Object.assign(document.createElement(name), { textContent: text });

/** Return what a reference in the schema stands for. @param {any} part @returns {any} */
const resolve = (part) => (part?.$ref ? schema.components.schemas[part.$ref.split("/").pop()] : (part ?? {}));

/** Return a type in words. @param {any} part @returns {string} */
function typeOf(part) {
  const one = resolve(part);
  if (one.anyOf) return one.anyOf.map(typeOf).join(" or ");
  if (one.type === "array") return `list of ${typeOf(one.items)}`;
  return one.title && one.properties ? one.title : (one.type ?? "any");
}

/** Return a table of fields. @param {Record<string, any>} fields @param {string[]} required */
function table(fields, required) {
  const found = make("table");
  for (const [name, field] of Object.entries(fields)) {
    const row = make("tr");
    const needed = required.includes(name) ? "required" : `default ${JSON.stringify(field.default ?? null)}`;
    row.append(make("th", name), make("td", typeOf(field)), make("td", needed));
    found.append(row);
  }
  return found;
}

document.getElementById("about")?.append(schema.info.description);
for (const [path, methods] of Object.entries(schema.paths)) {
  for (const [method, route] of Object.entries(/** @type {Record<string, any>} */ (methods))) {
    const title = make("h2");
    title.append(make("b", method.toUpperCase()), path);
    document.getElementById("routes")?.append(title, make("p", route.description ?? ""));
    const content = Object.values(route.requestBody?.content ?? {})[0];
    const body = resolve(/** @type {any} */ (content)?.schema);
    if (body.description) document.getElementById("routes")?.append(make("p", body.description));
    if (body.properties) document.getElementById("routes")?.append(table(body.properties, body.required ?? []));
  }
}

export {};
