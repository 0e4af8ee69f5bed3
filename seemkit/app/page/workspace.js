// What is known of the image: its session, its things, and what undo returns to.

import { Refused, request } from "./api.js";

/** @typedef {import("./view.js").Thing} Thing */
/** @typedef {{x: number, y: number, positive: boolean, thing: string}} Dot */
/** @typedef {{things: Thing[], dots: Dot[], selected: string, session: boolean}} Moment */

const color = (/** @type {number} */ index) => `hsl(${Math.round(index * 222.5) % 360} 75% 50%)`;

/**
 * The things of one image. What asks the server is done one after another, and is dropped if another image is shown
 * meanwhile.
 */
export class Workspace {
  session = "";
  image = "";
  selected = "";
  /** @type {() => Promise<{session: string}>} opens the same image again */
  reopen = () => Promise.reject(new Refused(0, "Open an image first."));
  /** @type {Thing[]} */ things = [];
  /** @type {Dot[]} */ dots = [];
  /** @type {Moment[]} */ past = [];
  /** @type {Moment[]} */ future = [];
  label = "";  // of new things; empty for the name that the model gives
  count = 0;  // of all images, since the server keeps the names of an image that is shown again
  shown = 0;
  /** @type {Promise<any>} */ last = Promise.resolve();
  /** @type {AbortController|undefined} */ proposing;

  /** @param {(save: boolean) => void} changed called after each change; `save` if the labels can differ */
  constructor(changed) {
    this.changed = changed;
  }

  /**
   * Begin with another image.
   * @param {string} session
   * @param {string} image
   * @param {() => Promise<{session: string}>} reopen
   */
  begin(session, image, reopen) {
    this.shown++;
    Object.assign(this, { session, image, reopen, selected: "", things: [], dots: [], past: [], future: [] });
  }

  /** @returns {Thing|undefined} */
  get current() {
    return this.things.find((thing) => thing.name === this.selected);
  }

  /**
   * Ask the server after all earlier requests, and use its answer unless another image is shown by then. If the server
   * does not know the session, since it was started anew, the image is opened again and the server is asked once more.
   * @template T
   * @param {() => Promise<T>} ask
   * @param {(answer: T) => void} use
   */
  ask(ask, use) {
    const shown = this.shown;
    const turn = async () => {
      if (shown !== this.shown) return;
      let answer;
      try {
        if (!this.session) throw new Refused(404, "");
        answer = await ask();
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 404) throw error;
        const opened = await this.reopen();
        if (shown !== this.shown) return;
        this.anew(opened.session);
        answer = await ask();
      }
      if (shown === this.shown) use(answer);
    };
    const done = this.last.catch(() => {}).then(turn);
    this.last = done;
    return done;
  }

  /** Go on with a session that knows nothing of the things yet. @param {string} session */
  anew(session) {
    this.session = session;
    const fixed = (/** @type {Thing[]} */ things) => things.map((thing) => ({ ...thing, prompted: false }));
    this.things = fixed(this.things);
    this.past = this.past.map((moment) => ({ ...moment, things: fixed(moment.things), session: false }));
    this.future = [];
  }

  /** @param {boolean} session whether the change after it is one of the session @returns {Moment} */
  moment(session) {
    return { things: this.things.map((thing) => ({ ...thing })), dots: [...this.dots], selected: this.selected, session };
  }

  /** Remember the present before a change. @param {boolean} [session] */
  remember(session = false) {
    this.past.push(this.moment(session));
    this.future = [];
  }

  /** Undo or redo. @param {"undo"|"redo"} verb */
  step(verb) {
    const stacks = () => (verb === "undo" ? [this.past, this.future] : [this.future, this.past]);
    const ask = async () => {
      const moment = stacks()[0].at(-1);
      if (!moment) throw new Refused(0, `Nothing to ${verb}.`);
      if (moment.session) await request("POST", `sessions/${this.session}/${verb}`);
    };
    return this.ask(ask, () => {
      const [source, target] = stacks();
      const moment = source.pop();
      if (!moment) return;
      target.push(this.moment(moment.session));
      Object.assign(this, { things: moment.things, dots: moment.dots, selected: moment.selected });
      this.changed(true);
    });
  }

  /** Add a thing that is not the session's, such as a label that was read. @param {any} found @param {boolean} proposed */
  put(found, proposed) {
    const name = `thing ${++this.count}`;
    const rest = { name, label: found.label, mask: found.mask, score: found.score ?? null };
    this.things.push({ ...rest, id: found.id ?? null, color: color(this.count), visible: true, proposed, prompted: false });
  }

  /**
   * Prompt the selected thing, or a new one.
   * @param {object[]} prompts
   * @param {number[]|null} dot place of a click, to be shown
   * @param {boolean} positive
   */
  prompt(prompts, dot, positive) {
    if (!this.selected) this.selected = `thing ${++this.count}`;  // at once, so that the next click is for it too
    const name = this.selected;
    const known = () => this.things.find((thing) => thing.name === name);
    const ask = () => {
      const thing = known();
      const first = thing && !thing.prompted ? [{ kind: "mask", mask: thing.mask }] : [];
      return request("POST", `sessions/${this.session}/prompts`, { object: name, prompts: [...first, ...prompts] });
    };
    return this.ask(ask, (found) => {
      this.remember(true);
      if (dot) this.dots.push({ x: dot[0], y: dot[1], positive, thing: name });
      const mask = { mask: found.mask, score: found.score, prompted: true };
      const thing = known();
      if (thing) Object.assign(thing, mask, { proposed: false });
      else {
        const rest = { name, label: this.label || found.label, color: color(Number(name.split(" ")[1])), visible: true };
        this.things.push({ ...rest, ...mask, proposed: false, id: null });
      }
      this.changed(true);
    });
  }

  /** Retouch the selected thing by a stroke. @param {number[]} line @param {number} width @param {boolean} erase */
  retouch(line, width, erase) {
    const name = this.selected;
    const points = Array.from({ length: line.length / 2 }, (_, at) => [line[2 * at], line[2 * at + 1]]);
    const known = () => this.things.find((thing) => thing.name === name);
    const ask = () => {
      const thing = known();
      if (!thing) throw new Refused(0, "Select an object first, then paint.");
      return request("POST", `sessions/${this.session}/retouch`, { mask: thing.mask, points, width, erase });
    };
    return this.ask(ask, (found) => {
      this.remember();
      const thing = known();
      if (!thing) return;
      const mask = { mask: found.mask, prompted: false };
      Object.assign(thing, mask, { name: `thing ${++this.count}` });  // the session's object of the old name stays as it is
      if (this.selected === name) this.selected = thing.name;
      this.changed(true);
    });
  }

  /** Show what is found as proposals, in place of what was asked for before. @param {(signal: AbortSignal) => Promise<any[]>} ask */
  propose(ask) {
    this.abandon();
    const { signal } = this.proposing = new AbortController();
    return this.ask(() => ask(signal), (found) => {
      this.remember();
      this.things = this.things.filter((thing) => !thing.proposed);
      for (const one of found) this.put(one, true);
      this.changed(false);
    });
  }

  /** Do not wait for proposals any more. */
  abandon() {
    this.proposing?.abort();
  }

  /** Keep all proposals, or drop them. @param {boolean} keep */
  settle(keep) {
    this.remember();
    this.things = keep
      ? this.things.map((thing) => ({ ...thing, proposed: false }))
      : this.things.filter((thing) => !thing.proposed);
    this.changed(keep);
  }

  /** Remove a thing. @param {string} name */
  remove(name) {
    this.remember();
    this.things = this.things.filter((thing) => thing.name !== name);
    this.dots = this.dots.filter((dot) => dot.thing !== name);
    if (this.selected === name) this.selected = "";
    this.changed(true);
  }

  /** Remove everything. */
  clear() {
    this.remember();
    Object.assign(this, { things: [], dots: [], selected: "" });
    this.changed(true);
  }

  /** Change the label of a thing. @param {string} name @param {string} label */
  rename(name, label) {
    this.remember();
    const thing = this.things.find((one) => one.name === name);
    if (thing) thing.label = label;
    if (this.label) this.label = label;
    this.changed(true);
  }
}
