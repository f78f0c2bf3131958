// What a moment of a play looks like: which numbers there are, and what flows where.

import { short } from "./numbers.js";

/**
 * @typedef {object} Moment
 * @property {(i: number) => boolean} computed
 * @property {(i: number) => { text: string, shade: number } | null} gradient null before there is one
 * @property {(i: number) => string} wrong why a node's gradient is wrong, or ''
 * @property {(g: number) => number} wrongIn how many gradients inside a group are wrong
 * @property {(g: number) => [number, number]} progress parts of a group computed, and handed on or received
 * @property {Map<number, string>} marks item id to 'now', 'from' or 'to'
 * @property {Map<number, { text: string, back: boolean }>} flows by edge
 */

/** @typedef {import("./record.js").Record} Record */

/** The moments of one play, over what is visible now. */
export class Moments {
  /** @param {import("./timeline.js").Timeline} timeline @param {import("./folding.js").Folding} folding */
  constructor(timeline, folding) {
    this.timeline = timeline;
    this.record = timeline.record;
    this.graph = folding.graph;
    this.folding = folding;
    this.largest = 0;
    for (let i = 0; i < this.graph.count; i++) {
      const size = Math.abs(this.record.final(i));
      if (Number.isFinite(size) && size > this.largest) this.largest = size;
    }
    /** The steps at which parts of a visible group are done: forward, backward. @type {Map<number, [number[], number[]]>} */
    this.done = new Map();
    /** The hand-overs at which each visible group receives, by record. @type {Map<Record, Map<number, number[]>>} */
    this.received = new Map();
  }

  /** Count the steps of each folded group, after folding. */
  refold() {
    this.done.clear();
    this.received.clear();
    for (const { group } of this.folding.items) if (group >= 0) this.done.set(group, [[], []]);
    if (!this.done.size) return;
    for (let i = 0; i < this.graph.count; i++) {
      const steps = this.done.get(this.folding.hiding(i));
      steps?.[0].push(this.timeline.computedAt[i]);
      if (this.timeline.handedAt[i] >= 0) steps?.[1].push(this.timeline.handedAt[i]);
    }
    for (const [forth, back] of this.done.values()) {
      forth.sort((a, b) => a - b);
      back.sort((a, b) => a - b);
    }
  }

  /** When shares come to each folded group in a record: of each operand's the first, in order. @param {Record} record */
  #receipts(record) {
    const known = this.received.get(record);
    if (known) return known;
    /** @type {Map<number, number[]>} */
    const receipts = new Map([...this.done.keys()].map((g) => [g, []]));
    const used = new Uint8Array(this.graph.operands.length);
    record.edges.forEach((edge, k) => {
      if (!used[edge]) receipts.get(this.folding.hiding(record.to(k)))?.push(k);
      used[edge] = 1;
    });
    this.received.set(record, receipts);
    return receipts;
  }

  /** @param {number} at a step @returns {Moment} */
  step(at) {
    const { timeline, record, graph, folding } = this;
    const { kind, node, from, to } = timeline.steps[at];
    /** @type {Moment["marks"]} */
    const marks = new Map();
    /** @type {Moment["flows"]} */
    const flows = new Map();
    if (kind === "forward")
      for (let edge = graph.offsets[node]; edge < graph.offsets[node + 1]; edge++) {
        marks.set(folding.itemOf(graph.operands[edge]), "from");
        flows.set(edge, { text: "", back: false });
      }
    for (let k = from; k < to; k++) {
      marks.set(folding.itemOf(record.to(k)), "to");
      flows.set(record.edges[k], { text: this.#share(record, k), back: true });
    }
    if (node >= 0) marks.set(folding.itemOf(node), "now");
    const seeded = at >= timeline.seedAt;
    return {
      computed: (i) => timeline.computedAt[i] <= at,
      gradient: (i) => (seeded && record.reaches(i) ? this.#gradient(record, i, to) : null),
      wrong: () => "",
      wrongIn: () => 0,
      progress: (g) => {
        const [forth, back] = /** @type {[number[], number[]]} */ (this.done.get(g));
        return [part(forth, at, forth.length), part(back, at, back.length)];
      },
      marks,
      flows,
    };
  }

  /**
   * One side of a comparison.
   * @param {Record} record @param {number} now hand-overs until now
   * @param {(i: number) => string} wrong @param {number[]} spoilt the nodes of which it says anything
   * @returns {Moment}
   */
  compared(record, now, wrong, spoilt) {
    const { folding } = this;
    const k = now - 1;
    /** @type {Moment["marks"]} */
    const marks = new Map();
    /** @type {Moment["flows"]} */
    const flows = new Map();
    if (k < 0) marks.set(folding.itemOf(record.root), "now");
    else if (k < record.length) {
      marks.set(folding.itemOf(record.to(k)), "to").set(folding.itemOf(record.from(k)), "now");
      flows.set(record.edges[k], { text: this.#share(record, k), back: true });
    }
    const done = Math.min(now, record.length);
    const [received, all] = [record, this.record].map((each) => this.#receipts(each));
    /** @type {Map<number, number>} */
    const wrongIn = new Map();
    for (const i of spoilt) {
      const group = folding.hiding(i);
      if (group >= 0 && wrong(i)) wrongIn.set(group, (wrongIn.get(group) ?? 0) + 1);
    }
    return {
      computed: () => true,
      gradient: (i) => (this.record.reaches(i) ? this.#gradient(record, i, done) : null),
      wrong,
      wrongIn: (g) => wrongIn.get(g) ?? 0,
      progress: (g) => [1, part(received.get(g) ?? [], k, all.get(g)?.length ?? 0)],
      marks,
      flows,
    };
  }

  /** @param {Record} record @param {number} i @param {number} now */
  #gradient(record, i, now) {
    if (record.unknown.has(i)) return { text: "?", shade: 0 };
    const x = record.gradient(i, now);
    return { text: short(x), shade: this.#shade(x) };
  }

  /** How deep the shade behind a gradient is: by its size, over four decades. @param {number} x */
  #shade(x) {
    if (!Number.isFinite(x)) return 0.5;
    if (x === 0 || !this.largest) return 0;
    return 0.08 + 0.42 * Math.max(0, 1 + Math.log10(Math.abs(x) / this.largest) / 4);
  }

  /** @param {Record} record @param {number} k */
  #share(record, k) {
    const from = record.from(k);
    if (this.graph.isOpaque(from) || record.unknown.has(from)) return "?";
    const text = short(record.products[k]);
    return /^[-n]/.test(text) ? text : `+${text}`; // nan has no sign
  }
}

/**
 * The longest number that the card of each node may come to show.
 * @param {import("./graph.js").Graph} graph @param {Record[]} records what may be played
 */
export function longestNumbers(graph, records) {
  /** @type {Map<number, string>} */
  const known = new Map();
  return (/** @type {number} */ i) => {
    const found =
      known.get(i) ??
      [graph.data[i], ...records.flatMap((record) => record.totals(i))]
        .map(short)
        .reduce((a, b) => (b.length > a.length ? b : a));
    known.set(i, found);
    return found;
  };
}

/** How many of sorted numbers are up to one, as a part of all. @param {number[]} sorted @param {number} x @param {number} all */
function part(sorted, x, all) {
  let low = 0;
  for (let high = sorted.length; low < high;) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= x) low = middle + 1;
    else high = middle;
  }
  return all ? Math.min(1, low / all) : 0;
}
