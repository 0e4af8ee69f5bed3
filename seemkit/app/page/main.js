// The page: what each button, key and gesture does.

import { Abandoned, counted, escaped, Refused, request } from "./api.js";
import { Folder } from "./folder.js";
import { GESTURES } from "./gestures.js";
import { List } from "./list.js";
import { Reference } from "./reference.js";
import { View } from "./view.js";
import { Workspace } from "./workspace.js";

const get = (/** @type {string} */ name) => /** @type {any} */ (document.getElementById(name));
const MARKS = ["click", "drag-box", "drag-circle", "stroke", "path", "file"];

const view = new View(get("canvas"));
const space = new Workspace(changed);
const folder = new Folder(get("images"), show);
const list = new List(get("objects"), {
  select: (name) => { space.selected = name; changed(false); },
  rename: (name, label) => act(() => { space.rename(name, label); suggest([label]); }),
  remove: (name) => act(() => space.remove(name)),
  show: (name, visible) => {
    for (const thing of space.things) if (thing.name === name) thing.visible = visible;
    view.draw();
  },
});
const reference = new Reference(get("reference-canvas"), (prompts) => act(() => space.prompt(prompts, null, true)));
/** @type {any} */ let info = null;
/** @type {{kind: string, gesture: string, signed: boolean}|null} */ let tool = null;
/** @type {any} */ let gesture = null;
let saving = false;
let loads = 0;
let waited = 0;

/** Do something that can fail, and say in one line why it did. @param {() => any} what */
async function act(what) {
  get("error").textContent = "";
  try {
    await counted(async () => what());
  } catch (error) {
    if (error instanceof Abandoned) return;
    get("error").textContent = error instanceof Error ? error.message : String(error);
    if (!(error instanceof Refused)) console.error(error);
  }
  view.draw();
}

/** Offer labels where one is written. @param {string[]} labels */
function suggest(labels) {
  const known = new Set([...get("classes").options].map((option) => option.value));
  const fresh = labels.filter((label) => !known.has(label));
  get("classes").append(...fresh.map((value) => Object.assign(document.createElement("option"), { value })));
}

/** Do something for which the image must be read first. @param {() => Promise<any>} what */
async function busy(what) {
  waited++;
  get("busy").hidden = false;
  try {
    return await what();
  } finally {
    get("busy").hidden = !--waited;
  }
}

/** Open an image of the folder, or the first one. @param {string} image @param {() => Promise<any>} open */
function show(image, open) {
  return load(image, open, info.folder ? `labels/${escaped(image)}` : "");
}

/** Open a file. @param {File|undefined} file */
function openFile(file) {
  if (file) load(file.name, () => request("POST", "sessions/upload", file), "");
}

/**
 * Show an image. If another one is asked for meanwhile, only that one is shown.
 * @param {string} name
 * @param {() => Promise<any>} open
 * @param {string} labels where its labels are; empty if they are not saved
 */
async function load(name, open, labels) {
  const mine = ++loads;
  space.abandon();
  await act(() => busy(async () => {
    let [opened, image] = await decoded(open).catch(() => decoded(open));  // a session that the server forgot
    const known = labels ? await request("GET", labels) : [];
    if (mine !== loads) return;
    saving = false;
    space.begin(opened.session, name, open);
    for (const one of known) space.put(one, false);
    view.image = image;
    changed(false);
    saving = Boolean(labels);
    said(name, opened);
  }));
}

/** Open a session and read its image. @param {() => Promise<any>} open @returns {Promise<[any, HTMLImageElement]>} */
async function decoded(open) {
  const opened = await open();
  const answer = await request("GET", `sessions/${opened.session}/image`);
  const image = new Image();
  image.src = URL.createObjectURL(answer);
  await image.decode();
  return [opened, image];
}

/** Say what is shown. @param {string} name @param {any} opened */
function said(name, opened) {
  get("hint").hidden = true;
  get("status").textContent = `${name}: ${opened.width} × ${opened.height} pixels`;
  view.fit();
}

/** Show the workspace, and save it if its labels can differ. @param {boolean} save */
function changed(save) {
  Object.assign(view, { things: space.things, selected: space.selected });
  view.dots = space.dots.filter((dot) => dot.thing === space.selected);
  list.draw(space.things, space.selected);
  get("proposals").hidden = !space.things.some((thing) => thing.proposed);
  view.draw();
  if (!save || !saving) return;
  const kept = space.things.filter((thing) => !thing.proposed);
  const objects = kept.map(({ label, mask, id }) => ({ label, mask, id }));
  act(async () => {
    const ids = await folder.save(space.image, objects);
    for (const [at, { name }] of kept.entries()) {
      for (const thing of space.things) if (thing.name === name) thing.id = ids[at];
    }
  });
}

/** Take a tool. @param {any} kind */
function take(kind) {
  tool = kind;
  gesture = GESTURES[kind?.gesture ?? ""]?.() ?? null;
  view.preview = gesture?.paint ?? null;
  for (const button of get("tools").children) button.setAttribute("aria-pressed", String(button.dataset.kind === kind?.kind));
  view.draw();
}

/** Finish a gesture. @param {number[]|null} numbers @param {boolean} outside */
function finish(numbers, outside) {
  if (!numbers || !tool || !view.image) return;
  const positive = get("negative").checked === outside || !tool.signed;
  if (tool.kind === "brush" || tool.kind === "eraser") {
    act(() => space.retouch(numbers, Number(get("width").value), tool?.kind === "eraser"));
    return;
  }
  const word = (positive ? "+" : "-") + numbers.join(",");  // always a sign, since a first number can be negative
  const dot = tool.gesture === "click" ? numbers : null;
  act(() => space.prompt([{ kind: tool?.kind, word }], dot, positive));
}

function tools() {
  const marks = info.kinds.filter((/** @type {any} */ kind) => MARKS.includes(kind.gesture));
  const order = (/** @type {any} */ kind) => MARKS.indexOf(kind.gesture);
  const hands = [{ kind: "brush", gesture: "stroke", signed: false }, { kind: "eraser", gesture: "stroke", signed: false }];
  const all = [...marks.sort((/** @type {any} */ a, /** @type {any} */ b) => order(a) - order(b)), ...hands];
  get("tools").replaceChildren(...all.map((kind, at) => {
    const button = Object.assign(document.createElement("button"), { textContent: kind.kind, title: `${kind.kind} (${at + 1})` });
    button.dataset.kind = kind.kind;
    button.addEventListener("click", () => {
      take(kind);
      if (kind.gesture === "file") get("mask-file").click();
    });
    return button;
  }));
  take(all[0]);
  const files = info.kinds.filter((/** @type {any} */ kind) => kind.gesture === "reference");
  get("other").hidden = !files.length || !info.answers.includes("region");
  reference.kind = files[0]?.kind ?? "";
  get("words").hidden = !info.answers.includes("text");
  get("find").hidden = get("without").hidden = !info.answers.includes("automatic");
}

const asked = () => {
  const names = get("vocabulary").value.split(",").map((/** @type {string} */ one) => one.trim()).filter(Boolean);
  return { threshold: Number(get("threshold").value), ...(names.length ? { classes: names } : {}) };
};
const proposed = (/** @type {string} */ path, /** @type {object} */ body) =>
  act(() => busy(() => space.propose((signal) => (
    request("POST", `sessions/${space.session}/${path}`, { ...body, ...asked() }, signal)
  ))));
const everything = (/** @type {string} */ mode) => proposed("everything", { mode });

function pointer() {
  /** @type {Map<number, PointerEvent>} */ const down = new Map();
  let moving = false;
  view.canvas.addEventListener("pointerdown", (event) => {
    view.canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event);
    moving = event.button === 1 || down.size > 1 || held.has(" ");
    if (!moving) gesture?.down(view.place(event));
  });
  view.canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (before && moving) {
      const [other] = [...down.values()].filter((one) => one.pointerId !== event.pointerId);
      if (other) {
        const far = (/** @type {PointerEvent} */ one) => Math.hypot(one.offsetX - other.offsetX, one.offsetY - other.offsetY);
        view.zoom(far(event) / Math.max(1, far(before)), other.offsetX, other.offsetY);
      } else view.move(event.offsetX - before.offsetX, event.offsetY - before.offsetY);
    } else gesture?.move(view.place(event));
    if (before) down.set(event.pointerId, event);
    if (view.preview) view.draw();
  });
  view.canvas.addEventListener("pointerup", (event) => {
    down.delete(event.pointerId);
    if (!moving) finish(gesture?.up(view.place(event)) ?? null, event.shiftKey);
    moving = down.size > 0;
  });
  view.canvas.addEventListener("pointercancel", (event) => down.delete(event.pointerId));
  view.canvas.addEventListener("dblclick", (event) => finish(gesture?.end?.() ?? null, event.shiftKey));
  view.canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  }, { passive: false });
}

/** @type {Set<string>} */ const held = new Set();
function keys() {
  const buttons = get("tools").children;
  const press = /** @type {Record<string, () => void>} */ ({
    n: () => get("new").click(), f: () => view.fit(), o: () => get("open").click(), d: () => get("next").click(),
    a: () => get("previous").click(), Enter: () => finish(gesture?.end?.() ?? null, false), Escape: () => take(tool),
    Delete: () => space.selected && act(() => space.remove(space.selected)),
  });
  addEventListener("keydown", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.type !== "checkbox" && event.target.type !== "range") return;
    held.add(event.key);
    if (event.ctrlKey || event.metaKey) {
      const verb = { z: event.shiftKey ? "redo" : "undo", y: "redo" }[event.key.toLowerCase()];
      if (verb) { event.preventDefault(); get(verb).click(); }
    } else if (/^[1-9]$/.test(event.key)) buttons[Number(event.key) - 1]?.click();
    else press[event.key]?.();
  });
  addEventListener("keyup", (event) => held.delete(event.key));
}

function wire() {
  const on = (/** @type {string} */ name, /** @type {() => any} */ what) => get(name).addEventListener("click", what);
  on("open", () => get("file").click());
  get("file").addEventListener("change", () => openFile(get("file").files[0]));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => { event.preventDefault(); openFile(event.dataTransfer?.files[0]); });
  on("undo", () => act(() => space.step("undo")));
  on("redo", () => act(() => space.step("redo")));
  on("fit", () => view.fit());
  on("new", () => { space.selected = ""; changed(false); });
  on("clear", () => act(() => space.clear()));
  on("panoptic", () => everything("panoptic"));
  on("instances", () => everything("instances"));
  on("semantic", () => everything("semantic"));
  get("mask-file").addEventListener("change", () => act(async () => {
    const { mask } = await request("POST", `sessions/${space.session}/mask`, get("mask-file").files[0]);
    get("mask-file").value = "";
    await space.prompt([{ kind: tool?.kind, mask, positive: !get("negative").checked }], null, true);
  }));
  on("accept", () => act(() => space.settle(true)));
  on("discard", () => act(() => space.settle(false)));
  get("words").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    act(() => space.prompt([{ kind: "text", text: get("text").value }], null, true));
  });
  on("find", () => proposed("find", { prompts: [{ kind: "text", text: get("text").value }] }));
  get("opacity").addEventListener("input", () => { view.opacity = Number(get("opacity").value); view.draw(); });
  on("reference", () => get("reference-file").click());
  get("reference-file").addEventListener("change", () => act(() => busy(() => reference.open(get("reference-file").files[0]))));
  on("previous", () => folder.go(folder.current - 1));
  on("next", () => folder.go(folder.current + 1));
  on("export", () => act(async () => {
    const format = get("format").value;
    const link = Object.assign(document.createElement("a"), { download: `${format}.zip` });
    link.href = URL.createObjectURL(await request("POST", "export", { format }));
    link.click();
  }));
}

await act(async () => {
  info = await request("GET", "info");
  get("model").textContent = info.model;
  suggest(info.classes);
  if (!info.names) space.label = info.classes[0] ?? "object";
  get("format").replaceChildren(...info.formats.map((/** @type {string} */ name) => new Option(name)));
  tools();
  pointer();
  keys();
  wire();
  if (info.folder) {
    get("folder").hidden = false;
    await folder.begin();
  } else if (info.first) await show(info.first, () => request("POST", "sessions", { image: info.first }));
  document.body.dataset.ready = "true";
});
