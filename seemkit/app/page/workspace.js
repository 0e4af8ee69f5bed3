// What is known of the image: its session, its things, and what undo returns to.

import { Refused, request } from "./api.js";

/** @typedef {import("./view.js").Thing} Thing */
/** @typedef {{things: Thing[], dots: object[], selected: string, session: boolean}} Moment */

const color = (/** @type {number} */ index) => `hsl(${Math.round(index * 222.5) % 360} 75% 50%)`;

/** The things of one image. Every change calls `changed`. */
export class Workspace {
  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    /** @type {() => Promise<{session: string}>} opens the same image again */
    this.reopen = () => Promise.reject(new Refused(0, "Open an image first."));
    this.session = "";
    this.image = "";
    this.reset();
  }

  reset() {
    /** @type {Thing[]} */ this.things = [];
    /** @type {{x: number, y: number, positive: boolean, thing: string}[]} */ this.dots = [];
    this.selected = "";
    this.count = 0;
    /** @type {Moment[]} */ this.past = [];
    /** @type {Moment[]} */ this.future = [];
  }

  /** Begin with another image. @param {{session: string}} opened @param {string} image */
  begin(opened, image) {
    this.session = opened.session;
    this.image = image;
    this.reset();
    this.changed();
  }

  /** @returns {Thing|undefined} */
  get current() {
    return this.things.find((thing) => thing.name === this.selected);
  }

  /** Remember the present. @param {boolean} session whether the session changes too */
  remember(session) {
    this.past.push(this.moment(session));
    this.future = [];
  }

  /** @param {boolean} session @returns {Moment} */
  moment(session) {
    return { things: this.things.map((thing) => ({ ...thing })), dots: [...this.dots], selected: this.selected, session };
  }

  /** Undo or redo. @param {"undo"|"redo"} verb */
  async step(verb) {
    const [source, target] = verb === "undo" ? [this.past, this.future] : [this.future, this.past];
    const moment = source.pop();
    if (!moment) throw new Refused(0, `Nothing to ${verb}.`);
    target.push(this.moment(moment.session));
    if (moment.session) await request("POST", `sessions/${this.session}/${verb}`);
    Object.assign(this, { things: moment.things, dots: moment.dots, selected: moment.selected });
    this.changed();
  }

  /** Add a thing that is not the session's, such as a label that was read. @param {object} found @param {boolean} proposed */
  put(found, proposed) {
    const name = `thing ${++this.count}`;
    const rest = { name, label: found.label, parts: found.parts, mask: found.mask, score: found.score ?? null };
    const thing = { ...rest, id: found.id ?? null, color: color(this.count), visible: true, proposed, prompted: false };
    this.things.push(thing);
    return thing;
  }

  /**
   * Prompt the selected thing, or a new one.
   * @param {object[]} prompts
   * @param {number[]|null} dot place of a click, to be shown
   * @param {boolean} positive
   */
  async prompt(prompts, dot, positive) {
    if (!this.session) await this.reopen();
    const known = this.current;
    const name = known?.name ?? `thing ${++this.count}`;
    const first = known && !known.prompted ? [{ kind: "mask", mask: known.mask }] : [];
    const before = this.moment(true);
    let found = null;
    try {
      found = await request("POST", `sessions/${this.session}/prompts`, { object: name, prompts: [...first, ...prompts] });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 404) return this.again(() => this.prompt(prompts, dot, positive));
      if (error.status !== 409) throw error;  // 409: a later click is on its way; its mask has the effect of this one
    }
    this.past.push(before);
    this.future = [];
    if (dot) this.dots.push({ x: dot[0], y: dot[1], positive, thing: name });
    this.selected = name;
    if (found) this.take(name, found);
    this.changed();
  }

  /** Open the image anew, since the server was started anew or forgot it, and repeat. @param {() => Promise<void>} what */
  async again(what) {
    this.session = (await this.reopen()).session;
    for (const thing of this.things) thing.prompted = false;
    this.past = this.past.map((moment) => ({ ...moment, session: false }));
    this.future = [];
    await what();
  }

  /** Take the mask of a thing from an answer. @param {string} name @param {object} found */
  take(name, found) {
    const known = this.things.find((thing) => thing.name === name);
    const mask = { parts: found.parts, mask: found.mask, score: found.score ?? null, path: undefined };
    if (known) Object.assign(known, mask, { prompted: true, proposed: false });
    else {
      const number = Number(name.split(" ")[1]);
      const rest = { name, label: found.label, color: color(number), visible: true, proposed: false };
      this.things.push({ ...rest, ...mask, prompted: true, id: null });
    }
  }

  /** Mend the selected thing by a stroke. @param {number[]} line @param {number} width @param {boolean} erase */
  async mend(line, width, erase) {
    const thing = this.current;
    if (!thing) throw new Refused(0, "Select an object first, then paint.");
    const points = Array.from({ length: line.length / 2 }, (_, at) => [line[2 * at], line[2 * at + 1]]);
    const mended = await request("POST", `sessions/${this.session}/mend`, { mask: thing.mask, points, width, erase });
    this.remember(false);
    const now = /** @type {Thing} */ (this.current);
    Object.assign(now, { parts: mended.parts, mask: mended.mask, path: undefined, prompted: false, name: `thing ${++this.count}` });
    this.selected = now.name;
    this.changed();
  }

  /** Show what was found as proposals. @param {object[]} found */
  propose(found) {
    this.remember(false);
    this.things = this.things.filter((thing) => !thing.proposed);
    for (const one of found) this.put(one, true);
    this.changed();
  }

  /** Keep all proposals, or drop them. @param {boolean} keep */
  settle(keep) {
    this.remember(false);
    this.things = keep
      ? this.things.map((thing) => ({ ...thing, proposed: false }))
      : this.things.filter((thing) => !thing.proposed);
    this.changed();
  }

  /** Remove a thing. @param {string} name */
  remove(name) {
    this.remember(false);
    this.things = this.things.filter((thing) => thing.name !== name);
    this.dots = this.dots.filter((dot) => dot.thing !== name);
    if (this.selected === name) this.selected = "";
    this.changed();
  }

  /** Remove everything. */
  clear() {
    this.remember(false);
    this.things = [];
    this.dots = [];
    this.selected = "";
    this.changed();
  }

  /** Change the label of a thing. @param {string} name @param {string} label */
  rename(name, label) {
    this.remember(false);
    this.things = this.things.map((thing) => (thing.name === name ? { ...thing, label } : thing));
    this.changed();
  }
}
