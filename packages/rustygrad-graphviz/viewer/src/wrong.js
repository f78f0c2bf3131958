// A wrong order beside the right one: where its sums go wrong, and what that looks like.

import { add, h } from "./dom.js";
import { name, nodeButton } from "./names.js";
import { count, plural, repr } from "./numbers.js";

/** @typedef {"recursion" | "once"} Kind */

export const KINDS = {
  recursion: {
    title: "Plain recursion",
    rule: "Hand a share to an operand, then let it do the same at once, then see to the next operand.",
  },
  once: {
    title: "Each node once",
    rule: "The same recursion, but a node that was visited is not visited again.",
  },
};

/** Characters of a number that leave room for the node's name before two of them. */
const SHORT = 9;

export class Comparison {
  /**
   * @param {import("./record.js").Record} right @param {import("./record.js").Record} wrong
   * @param {Kind} kind @param {number} visits how many visits the recursion takes
   */
  constructor(right, wrong, kind, visits) {
    this.right = right;
    this.wrong = wrong;
    this.kind = kind;
    this.graph = right.graph;
    this.visits = visits;
    this.length = Math.max(right.length, wrong.length);
    /** Whether the record ends before the play does: a share for each visit, or for each operand. */
    this.cut = wrong.length < (kind === "recursion" ? visits - 1 : right.length);
    /** For each node the first hand-over that spoils its sum, or -1. */
    this.spoiltAt = new Int32Array(this.graph.count).fill(-1);
    /** For each edge, whether it was used before. */
    const used = new Uint8Array(this.graph.operands.length);
    this.bad = new Uint8Array(wrong.length);
    for (let k = 0; k < wrong.length; k++) {
      const [i, j] = [wrong.from(k), wrong.to(k)];
      const spoilt = this.spoiltAt[i] >= 0;
      const mistake =
        kind === "recursion"
          ? used[wrong.edges[k]] === 1
          : !Object.is(wrong.gradient(i, k), right.final(i));
      used[wrong.edges[k]] = 1;
      this.bad[k] = mistake ? 1 : spoilt ? 2 : 0;
      if (this.bad[k] && this.spoiltAt[j] < 0 && !Object.is(wrong.final(j), right.final(j)))
        this.spoiltAt[j] = k;
    }
    /** Nodes whose gradients people look at. */
    this.nodes = [...this.graph.kind.keys()].filter(
      (i) => right.reaches(i) && this.graph.role(i) !== "constant",
    );
    /** Nodes whose sums end wrong. */
    this.spoilt = [...this.spoiltAt.keys()].filter((i) => this.spoiltAt[i] >= 0);
  }

  /** Why a node's sum is wrong after so many hand-overs, or ''. @param {number} i @param {number} now */
  reason(i, now) {
    const [at, should] = [this.spoiltAt[i], this.right.final(i)];
    const spoilt =
      at >= 0 &&
      at < now &&
      !Object.is(this.wrong.gradient(i, Math.min(now, this.wrong.length)), should);
    return spoilt ? `wrong: should become ${repr(should)}` : "";
  }

  /** Hand-over k as a line, with what is wrong about it. @param {boolean} wrong @param {number} k */
  caption(wrong, k) {
    const record = wrong ? this.wrong : this.right;
    const { graph } = this;
    const line = h("p", {});
    if (k < 0) {
      add(
        line,
        name(graph, record.root),
        " starts with ",
        h("b", { class: "grad" }, repr(record.seed)),
      );
      return line;
    }
    if (k >= record.length) {
      add(
        line,
        wrong
          ? this.cut
            ? `Cut here, after ${plural(record.length, "share")}.`
            : `Done, after ${plural(record.length, "share")}.`
          : `Done, after ${plural(record.length, "share")}: each operand has received once.`,
      );
      return line;
    }
    const [i, j] = [record.from(k), record.to(k)];
    add(
      line,
      name(graph, i),
      " → ",
      name(graph, j),
      " receives ",
      h("b", { class: "grad" }, repr(record.products[k])),
      ", has ",
      h("b", { class: "grad" }, repr(record.sums[k])),
    );
    if (wrong && this.bad[k] === 1) add(line, h("span", { class: "mistake" }, ...this.#mistake(k)));
    else if (wrong && this.bad[k] === 2)
      add(line, h("span", { class: "mistake" }, "Handed on from a sum that is wrong already."));
    return line;
  }

  /** @param {number} k @returns {import("./dom.js").Child[]} */
  #mistake(k) {
    const { wrong, right, graph } = this;
    const i = wrong.from(k);
    const has = repr(wrong.gradient(i, k));
    if (this.kind === "once")
      return [
        "Too early: ",
        name(graph, i),
        ` has ${has} and hands it on, but is not complete. It becomes ${repr(right.final(i))}.`,
      ];
    const earlier = wrong.edges.subarray(0, k).lastIndexOf(wrong.edges[k]);
    return [
      "Again: ",
      name(graph, i),
      ` hands on all of its ${has}, though it has handed ${repr(wrong.gradient(i, earlier))} on before.`,
    ];
  }

  /** What comes of this order. */
  get verdict() {
    const { length } = this.spoilt;
    const wrong = length
      ? `${plural(length, "gradient")} of ${count(this.nodes.length)}`
      : "nothing";
    const one = length < 2;
    return this.cut
      ? `${wrong} ${one ? "is" : "are"} wrong after its first ${plural(this.wrong.length, "share")}`
      : `${wrong} ${one ? "comes" : "come"} out wrong${length ? "" : " here"}`;
  }

  /** The panel: what this order does, and each gradient beside the right one. @param {number} now @param {(i: number) => void} go */
  panel(now, go) {
    const { graph, right, wrong } = this;
    const rows = [
      ...this.spoilt,
      ...this.nodes.filter((i) => this.spoiltAt[i] < 0).reverse(),
    ].slice(0, 40);
    const order = this.spoilt.length > 20 ? rows : rows.sort((a, b) => b - a);
    /** @param {number} i @returns {[number, number]} */
    const pair = (i) => [
      right.gradient(i, Math.min(now, right.length)),
      wrong.gradient(i, Math.min(now, wrong.length)),
    ];
    // two numbers in all their digits fill the line, then the name has one of its own
    const long = order.some((i) => [right, wrong].some((r) => repr(r.final(i)).length > SHORT));
    return [
      h("p", {}, KINDS[this.kind].rule),
      h(
        "p",
        {},
        h("strong", {}, `${this.verdict[0].toUpperCase()}${this.verdict.slice(1)}.`),
        " ",
        this.#why(),
      ),
      this.kind === "recursion" && h("p", { class: "aside" }, this.#cost()),
      h(
        "div",
        { class: "verdicts" },
        h(
          "table",
          { class: "verdict" },
          h("caption", {}, "Gradients after this step"),
          h(
            "tr",
            {},
            !long && h("th", { scope: "col" }, "node"),
            h("th", { scope: "col" }, "right order"),
            h("th", { scope: "col" }, KINDS[this.kind].title.toLowerCase()),
          ),
          ...order.map((i) => {
            const bad = this.reason(i, now) !== "";
            const [should, is] = pair(i).map(repr);
            const node = h(
              "th",
              { scope: long ? "rowgroup" : "row", colspan: long ? 2 : null },
              nodeButton(graph, i, go),
            );
            const numbers = [
              h("td", {}, h("output", { "data-right": i }, should)),
              h(
                "td",
                {},
                bad && h("span", { class: "mistake", "aria-label": "wrong" }, "✗ "),
                h("output", { "data-wrong": i }, is),
              ),
            ];
            const look = { class: bad ? "is-wrong" : null };
            return long
              ? h("tbody", look, h("tr", {}, node), h("tr", {}, ...numbers))
              : h("tbody", look, h("tr", {}, node, ...numbers));
          }),
        ),
      ),
    ];
  }

  #why() {
    if (!this.spoilt.length && this.cut) return "What comes after them is not played.";
    if (!this.spoilt.length)
      return this.visits ===
        new Set([this.right.root, ...Array.from(this.right.edges, (e) => this.graph.operands[e])])
          .size
        ? "No node is used twice on the way back, so each is complete when it is visited. Share a node, and this order breaks."
        : "What is used twice here are leaves, which hand nothing on, or nodes whose shares are zero. Use a result twice, and this order breaks.";
    return this.kind === "recursion"
      ? "A node that is used twice is visited twice, and hands all that it has on each time. What it got first goes down again."
      : "A node is visited before all that use it have had their turn, hands on too little, and never gets to hand on the rest.";
  }

  #cost() {
    const nodes = new Set([
      this.right.root,
      ...Array.from(this.right.edges, (e) => this.graph.operands[e]),
    ]).size;
    if (this.visits === nodes) return `${plural(nodes, "visit")} for ${plural(nodes, "node")}.`;
    const many =
      this.visits < 1e15 ? plural(this.visits, "visit") : `${this.visits.toPrecision(2)} visits`;
    return `It visits a node once for each path that leads to it: ${Number.isFinite(this.visits) ? many : "more visits than a float can count"} for ${plural(nodes, "node")}.${this.cut ? ` The first ${plural(this.wrong.length, "share")} are played.` : ""}`;
  }
}
