// The list of the things: a row for each, which stays while its thing is there.

/** @typedef {import("./view.js").Thing} Thing */

/** Rows with color, visibility, label and score. */
export class List {
  /**
   * @param {HTMLElement} element
   * @param {{select: (name: string) => void, rename: (name: string, label: string) => void,
   *   remove: (name: string) => void, show: (name: string, visible: boolean) => void}} does what the rows do
   */
  constructor(element, does) {
    this.element = element;
    this.does = does;
    /** @type {Map<string, HTMLElement>} */ this.rows = new Map();
  }

  /** Show the things. @param {Thing[]} things @param {string} selected */
  draw(things, selected) {
    const names = new Set(things.map((thing) => thing.name));
    for (const [name, row] of this.rows) {
      if (names.has(name)) continue;
      row.remove();
      this.rows.delete(name);
    }
    things.forEach((thing, at) => {
      let row = this.rows.get(thing.name);
      if (!row) {
        row = this.row(thing.name);
        this.rows.set(thing.name, row);
      }
      if (this.element.children[at] !== row) this.element.insertBefore(row, this.element.children[at] ?? null);
      const [swatch, visible, label, score] = /** @type {any[]} */ ([...row.children]);
      row.setAttribute("aria-current", String(thing.name === selected));
      swatch.style.setProperty("background", thing.color);
      visible.checked = thing.visible;
      if (document.activeElement !== label) label.value = thing.label;
      score.textContent = thing.score?.toFixed(2) ?? "";
    });
  }

  /** @param {string} name @returns {HTMLElement} */
  row(name) {
    const make = (/** @type {string} */ tag, /** @type {object} */ more) => Object.assign(document.createElement(tag), more);
    const row = make("li", {});
    const visible = make("input", { type: "checkbox", title: "Show" });
    const label = make("input", { ariaLabel: "Label" });
    const remove = make("button", { textContent: "×", title: "Remove" });
    label.setAttribute("list", "classes");
    visible.addEventListener("change", () => this.does.show(name, /** @type {any} */ (visible).checked));
    label.addEventListener("change", () => this.does.rename(name, /** @type {any} */ (label).value.trim() || "object"));
    remove.addEventListener("click", () => this.does.remove(name));
    row.append(make("span", { className: "swatch" }), visible, label, make("span", { className: "score" }), remove);
    row.addEventListener("click", (event) => {
      if (event.target !== remove && event.target !== visible) this.does.select(name);
    });
    return row;
  }
}
