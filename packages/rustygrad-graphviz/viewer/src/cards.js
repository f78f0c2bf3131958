// Cards: a node with its operation, data and gradient; a folded group; the frame of an open one.

import { s } from "./dom.js";
import { fitted, widthOf } from "./fonts.js";
import { count, plural, short } from "./numbers.js";

/** @typedef {import("./layout.js").Box} Box */

/**
 * A drawn item, and the parts of it that change.
 * @typedef {object} Card
 * @property {SVGElement} box
 * @property {string} name what a screen reader says before the numbers
 * @property {SVGElement} [data]
 * @property {SVGElement} [grad]
 * @property {SVGElement} [shade] what is behind the gradient
 * @property {SVGElement[]} [bars] how much of a group is computed, and has handed on
 * @property {number} [room] how long a bar can be
 * @property {SVGElement} [tally] how many nodes a group has, or how many of them are wrong
 */

const [HEIGHT, GAP, BADGE] = [62, 8, 26];
/** Left and right of what is written on a card. */
const [LEFT, RIGHT] = [11, 10];
/** How wide cards are at least, and the most that a name can make of them. */
const [NARROW, WIDE] = [110, 200];
/** The longest name of an operation, and of a group. */
const [LONG_SYMBOL, LONG_GROUP] = [200, 220];

/** Makes cards of given sizes; where they lie is for others to say. */
export class Cards {
  /**
   * @param {import("./folding.js").Folding} folding
   * @param {{ select: (id: number) => void, toggle: (group: number, open: boolean) => void }} on
   * @param {(i: number) => string} longest the longest number that a node's card may come to show
   */
  constructor(folding, on, longest) {
    this.folding = folding;
    this.graph = folding.graph;
    this.on = on;
    this.longest = longest;
  }

  /** The size of an item. @param {import("./folding.js").Item} item @param {boolean} down */
  measure({ node, group }, down) {
    if (group >= 0) {
      const name = Math.min(LONG_GROUP, widthOf(this.#groupName(group), "name"));
      const tally = widthOf(this.wrongOf(this.folding.size[group], group), "hint");
      // at the right of its name is what unfolds it
      const width = Math.max(132, LEFT + name + 41, 2 * LEFT + tally + 6);
      return { width, height: HEIGHT + 8 };
    }
    if (this.#isPill(node))
      return { width: 22 + widthOf(short(this.graph.data[node]), "number"), height: 28 };
    const width = this.#width(node);
    if (this.graph.isLeaf(node)) return { width, height: HEIGHT };
    const badge = this.#badgeWidth(node);
    return down
      ? { width: Math.max(width, badge), height: HEIGHT + BADGE + GAP }
      : { width: width + badge + GAP, height: HEIGHT };
  }

  /** Constants are drawn small. @param {number} i */
  #isPill = (i) => this.graph.role(i) === "constant" && this.graph.isNameless(i);
  /** Room for the name, as far as possible, and for each number that comes, beside what it is. @param {number} i */
  #width(i) {
    const name = LEFT + widthOf(this.graph.shortLabel(i), "name") + RIGHT;
    const number = LEFT + widthOf("grad", "hint") + 9 + widthOf(this.longest(i), "number") + RIGHT;
    return Math.max(NARROW, Math.min(WIDE, name), number);
  }

  /** @param {number} i */
  #symbol = (i) => fitted(this.graph.symbol(i), "badge", LONG_SYMBOL);
  /** @param {number} i */
  #badgeWidth = (i) => Math.max(BADGE, 14 + widthOf(this.#symbol(i), "badge"));
  /** @param {number} g */
  #groupName = (g) =>
    this.graph.groupKind(g) === "run" ? this.folding.title(g) : this.graph.shortGroupName(g);

  /** How many nodes a group has. @param {number} g */
  tally(g) {
    const { graph, folding } = this;
    const repeats = graph.groupKind(g) === "repeat";
    return repeats ? `× ${count(folding.size[g])}` : plural(folding.size[g], "node");
  }
  /** How many of a group's gradients are wrong. @param {number} wrong @param {number} g */
  wrongOf = (wrong, g) => `${count(wrong)} of ${count(this.folding.size[g])} wrong`;

  /** @param {import("./folding.js").Item} item @param {Box} at @param {boolean} down @returns {Card} */
  make({ node, group }, at, down) {
    if (group >= 0) return this.#group(group, at);
    return this.#isPill(node) ? this.#pill(node, at) : this.#node(node, at, down);
  }

  /** @param {number} id @param {Box} at @param {string} name @param {string} look @param {SVGElement[]} inside */
  #box(id, at, name, look, inside) {
    const box = s("g", { class: `card ${look}`, role: "button", tabindex: "-1" }, ...inside);
    box.setAttribute("aria-label", name);
    box.setAttribute("data-item", String(id));
    box.setAttribute("transform", moved(at.x - at.width / 2, at.y - at.height / 2));
    box.addEventListener("click", () => this.on.select(id));
    return box;
  }

  /** @param {number} i @param {Box} at @returns {Card} */
  #pill(i, at) {
    const name = `constant ${this.graph.name(i)}`;
    const data = text("data", at.width / 2, 18.5, short(this.graph.data[i]), "middle");
    const paper = s("rect", { class: "paper", width: at.width, height: 28, rx: 14 });
    return { box: this.#box(i, at, name, "constant", [paper, data]), name, data };
  }

  /** @param {number} i @param {Box} at @param {boolean} down @returns {Card} */
  #node(i, at, down) {
    const { graph } = this;
    const leaf = graph.isLeaf(i);
    const look = graph.role(i) || (graph.isOutput(i) ? "output" : "inner");
    const name = leaf ? `${look} ${graph.name(i)}` : `${graph.name(i)}, made by ${graph.symbol(i)}`;
    const width = this.#width(i);
    const shade = s("rect", { class: "shade", x: 1, y: 42.5, width: width - 2, height: 18.5 });
    const data = text("data", width - RIGHT, 38, "", "end");
    const grad = text("grad", width - RIGHT, 56, "", "end");
    const card = s(
      "g",
      {},
      s("rect", { class: "paper", width, height: HEIGHT, rx: 7 }),
      shade,
      s("line", { class: "rule", x1: 1, x2: width - 1, y1: 25, y2: 25 }),
      ...this.#heading(i, width - LEFT - RIGHT),
      ...[text("hint", LEFT, 38, "data"), text("hint", LEFT, 56, "grad"), data, grad],
      wrongSign(width - 6),
    );
    if (!leaf) {
      const [left, top] = down ? [(at.width - width) / 2, BADGE + GAP] : [at.width - width, 0];
      card.setAttribute("transform", moved(left, top));
    }
    const inside = leaf ? [card] : [...this.#badge(i, at, down), card];
    return { box: this.#box(i, at, name, look, inside), name, data, grad, shade };
  }

  /** A node's label, or v and its index. @param {number} i @param {number} room */
  #heading(i, room) {
    if (!this.graph.isNameless(i)) return named(LEFT, 18, this.graph.shortLabel(i), room);
    const index = s("tspan", { class: "sub", dy: 3 }, i);
    return [s("text", { class: "name is-made-up", x: LEFT, y: 18 }, "v", index)];
  }

  /** The operation, before the card or above it, and what joins the two. @param {number} i @param {Box} at @param {boolean} down */
  #badge(i, at, down) {
    const width = this.#badgeWidth(i);
    const middle = down ? at.width / 2 : HEIGHT / 2;
    const joint = down
      ? { x1: middle, x2: middle, y1: BADGE, y2: BADGE + GAP }
      : { x1: width, x2: width + GAP, y1: middle, y2: middle };
    const badge = s(
      "g",
      { class: this.graph.isOwn(i) ? "badge own" : "badge" },
      s("rect", { width, height: BADGE, rx: BADGE / 2 }),
      text("", width / 2, 17.5, this.#symbol(i), "middle"),
    );
    const place = down ? moved(middle - width / 2, 0) : moved(0, middle - BADGE / 2);
    badge.setAttribute("transform", place);
    return [s("line", { class: "joint", ...joint }), badge];
  }

  /** @param {number} g @param {Box} at @returns {Card} */
  #group(g, at) {
    const { folding, graph } = this;
    const width = at.width - 6;
    const nodes = plural(folding.size[g], "node");
    const name = `folded ${graph.groupKind(g)} ${graph.groupName(g)}, ${nodes}`;
    const room = width - 2 * LEFT;
    /** @param {string} look @param {number} k @param {number} w */
    const bar = (look, k, w) =>
      s("rect", { class: look, x: LEFT, y: 45 + 6 * k, width: w, height: 3.5, rx: 1.5 });
    const bars = [bar("bar forth", 0, 0), bar("bar back", 1, 0)];
    const tally = text("hint tally", LEFT, 36, this.tally(g));
    const box = this.#box(graph.count + g, at, name, `folded ${folding.role[g]}`, [
      s("rect", { class: "paper behind", x: 6, y: 7, width, height: HEIGHT, rx: 7 }),
      s("rect", { class: "paper behind", x: 3, y: 3.5, width, height: HEIGHT, rx: 7 }),
      s("rect", { class: "paper", width, height: HEIGHT, rx: 7 }),
      ...named(LEFT, 19, this.#groupName(g), width - LEFT - 35),
      tally,
      ...[bar("groove", 0, room), bar("groove", 1, room), ...bars],
      this.#handle(width - 14, 14, `Unfold ${folding.title(g)}`, "+", g, true),
      wrongSign(1),
    ]);
    box.addEventListener("dblclick", () => this.on.toggle(g, true));
    return { box, name, bars, room, tally };
  }

  /** The frame of an open group. @param {number} g @param {Box} box */
  frame(g, { x, y, width, height }) {
    return s(
      "g",
      { class: "frame", transform: moved(x - width / 2, y - height / 2) },
      s("rect", { width, height, rx: 10 }),
      text("hint", 26, 15, fitted(this.graph.shortGroupName(g), "hint", width - 32)),
      this.#handle(13, 11, `Fold ${this.folding.title(g)}`, "−", g, false),
    );
  }

  /**
   * What folds and unfolds by mouse; by keyboard there are the panel's buttons, and a key.
   * @param {number} x @param {number} y @param {string} label @param {string} sign
   * @param {number} g @param {boolean} open
   */
  #handle(x, y, label, sign, g, open) {
    const handle = s(
      "g",
      { class: "handle", "aria-hidden": "true", transform: moved(x, y) },
      s("title", {}, label),
      s("circle", { r: 8 }),
      text("", 0, 4, sign, "middle"),
    );
    handle.addEventListener("click", (event) => {
      event.stopPropagation();
      this.on.toggle(g, open);
    });
    handle.addEventListener("dblclick", (event) => event.stopPropagation());
    return handle;
  }
}

/** @param {number} x @param {number} y */
const moved = (x, y) => `translate(${x} ${y})`;

/** Shown on the cards of nodes whose sums came out wrong. @param {number} x */
const wrongSign = (x) =>
  s(
    "g",
    { class: "wrong", transform: moved(x, 4) },
    s("circle", { r: 8 }),
    text("", 0, 4, "✗", "middle"),
  );

/** A name, cut to the room there is; then all of it is its tooltip. @param {number} x @param {number} y @param {string} said @param {number} room */
function named(x, y, said, room) {
  const shown = fitted(said, "name", room);
  const drawn = text("name", x, y, shown);
  return shown === said ? [drawn] : [s("title", {}, said), drawn];
}

/** @param {string} look @param {number} x @param {number} y @param {string} said @param {string} [anchor] */
export function text(look, x, y, said, anchor) {
  return s("text", { class: look || null, x, y, "text-anchor": anchor }, said);
}
