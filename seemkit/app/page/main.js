// The page: what each button, key and gesture does.

import { counted, Refused, request } from "./api.js";
import { Folder } from "./folder.js";
import { GESTURES } from "./gestures.js";
import { Reference } from "./reference.js";
import { View } from "./view.js";
import { Workspace } from "./workspace.js";

const get = (/** @type {string} */ name) => /** @type {any} */ (document.getElementById(name));
const MARKS = ["click", "drag-box", "drag-circle", "stroke", "path", "file"];

const view = new View(get("canvas"));
const space = new Workspace(changed);
const folder = new Folder(get("images"), show);
const reference = new Reference(get("reference-canvas"), (prompts) => act(() => space.prompt(prompts, null, true)));
/** @type {any} */ let info = null;
/** @type {{kind: string, gesture: string, signed: boolean}|null} */ let tool = null;
/** @type {any} */ let gesture = null;
let saving = false;

/** Do something that can fail, and say in one line why it did. @param {() => any} what */
async function act(what) {
  get("error").textContent = "";
  try {
    await counted(async () => what());
  } catch (error) {
    get("error").textContent = error instanceof Error ? error.message : String(error);
    if (!(error instanceof Refused)) console.error(error);
  }
  view.draw();
}

/** Do something for which the image must be read first. @param {() => Promise<any>} what */
async function busy(what) {
  get("busy").hidden = false;
  try {
    return await what();
  } finally {
    get("busy").hidden = true;
  }
}

/** Open an image of the folder, or the first one. @param {string} image @param {Promise<any>} session */
async function show(image, session) {
  await act(() => busy(async () => {
    const opened = await session;
    space.reopen = () => request("POST", "sessions", { image });
    await load(opened, image);
    if (info.folder) {
      for (const one of await request("GET", `labels/${encodeURI(image)}`)) space.put(one, false);
      changed(false);
    }
  }));
}

/** Open a file. @param {File|undefined} file */
async function openFile(file) {
  if (!file) return;
  space.reopen = () => request("POST", "sessions/upload", file);
  await act(() => busy(async () => load(await space.reopen(), file.name)));
}

/** @param {any} opened @param {string} name */
async function load(opened, name) {
  const image = new Image();
  image.src = `v1/sessions/${opened.session}/image`;
  await image.decode();
  view.image = image;
  saving = false;
  space.begin(opened, name);
  saving = Boolean(info.folder);
  get("hint").hidden = true;
  get("status").textContent = `${name}: ${opened.width} × ${opened.height} pixels`;
  view.fit();
}

/** Show the workspace, and save it. @param {boolean} [save] */
function changed(save = true) {
  Object.assign(view, { things: space.things, selected: space.selected });
  view.dots = space.dots.filter((dot) => dot.thing === space.selected);
  get("objects").replaceChildren(...space.things.map(row));
  get("proposals").hidden = !space.things.some((thing) => thing.proposed);
  view.draw();
  if (save && saving) {
    const kept = space.things.filter((thing) => !thing.proposed);
    const objects = kept.map(({ label, mask, id }) => ({ label: label || "object", mask, id }));
    act(() => folder.save(space.image, objects));
  }
}

/** The row of a thing in the list. @param {import("./view.js").Thing} thing */
function row(thing) {
  const item = document.createElement("li");
  item.setAttribute("aria-current", String(thing.name === space.selected));
  const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
  swatch.style.setProperty("background", thing.color);
  const visible = Object.assign(document.createElement("input"), { type: "checkbox", checked: thing.visible, title: "Show" });
  visible.addEventListener("change", () => { thing.visible = visible.checked; view.draw(); });
  const label = Object.assign(document.createElement("input"), { value: thing.label, ariaLabel: "Label" });
  label.setAttribute("list", "classes");
  label.addEventListener("change", () => act(() => space.rename(thing.name, label.value.trim() || "object")));
  const score = Object.assign(document.createElement("span"), { className: "score", textContent: thing.score?.toFixed(2) ?? "" });
  const remove = Object.assign(document.createElement("button"), { textContent: "×", title: "Remove" });
  remove.addEventListener("click", (event) => { event.stopPropagation(); act(() => space.remove(thing.name)); });
  item.append(swatch, visible, label, score, remove);
  item.addEventListener("click", () => { space.selected = thing.name; changed(false); });
  return item;
}

/** Take a tool. @param {any} kind */
function take(kind) {
  tool = kind;
  gesture = GESTURES[kind?.gesture]?.() ?? null;
  view.preview = gesture?.paint ?? null;
  for (const button of get("tools").children) button.setAttribute("aria-pressed", String(button.dataset.kind === kind?.kind));
  view.draw();
}

/** Finish a gesture. @param {number[]|null} numbers @param {boolean} outside */
function finish(numbers, outside) {
  if (!numbers || !tool || !view.image) return;
  const positive = get("negative").checked === outside || !tool.signed;
  if (tool.kind === "brush" || tool.kind === "eraser") {
    act(() => space.mend(numbers, Number(get("width").value), tool?.kind === "eraser"));
    return;
  }
  const word = (positive ? "" : "-") + numbers.join(",");
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
const everything = (/** @type {string} */ mode) => act(async () => {
  space.propose(await busy(() => request("POST", `sessions/${space.session}/everything`, { mode, ...asked() })));
});

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
    view.draw();
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
  on("find", () => act(async () => {
    const prompts = [{ kind: "text", text: get("text").value }];
    space.propose(await busy(() => request("POST", `sessions/${space.session}/find`, { prompts, ...asked() })));
  }));
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
  get("classes").replaceChildren(...info.classes.map((/** @type {string} */ value) => Object.assign(document.createElement("option"), { value })));
  get("format").replaceChildren(...info.formats.map((/** @type {string} */ name) => new Option(name)));
  tools();
  pointer();
  keys();
  wire();
  if (info.folder) {
    get("folder").hidden = false;
    await folder.begin();
  } else if (info.first) await show(info.first, request("POST", "sessions", { image: info.first }));
  document.body.dataset.ready = "true";
});
