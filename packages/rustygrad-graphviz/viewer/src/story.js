// What a step says: in a sentence for everybody, and with its formulas and numbers.

import { h, m } from "./dom.js";
import { equation, numeral, operandsOf, partial, symbolOf, typeset } from "./formula.js";
import { name, nodeButton } from "./names.js";
import { count, plural, repr } from "./numbers.js";

/** @typedef {{ phase: string, title: string, said: string, body: import("./dom.js").Child[] }} Story */
/** @typedef {(i: number) => void} Go */

/** Hand-overs and leaves that a step shows at first. */
const SOME = 6;

/** The first few, and a button for the others. @template T @param {ArrayLike<T>} all @param {(x: T) => Node} show */
export function firstFew(all, show, few = SOME) {
  const rest = all.length - few;
  const shown = Array.from({ length: Math.min(few, all.length) }, (_, k) => show(all[k]));
  if (rest <= 0) return shown;
  const more = h(
    "button",
    {
      class: "more",
      type: "button",
      onclick: () => {
        const next = firstFew(Array.prototype.slice.call(all, few), show, 8 * few);
        more.replaceWith(...next);
        if (next[0] instanceof HTMLElement) next[0].focus?.();
      },
    },
    `${count(rest)} more`,
  );
  return [...shown, more];
}

export class Narrator {
  /**
   * @param {import("./record.js").Record} record
   * @param {{ ran: boolean }} about whether these are the gradients that were captured
   * @param {Go} go
   */
  constructor(record, about, go) {
    this.record = record;
    this.graph = record.graph;
    this.ran = about.ran;
    this.go = go;
  }

  /** @param {import("./timeline.js").Step} step @returns {Story} */
  tell(step) {
    switch (step.kind) {
      case "given":
        return this.#given();
      case "forward":
        return this.#forward(step.node);
      case "seed":
        return this.#seed();
      case "backward":
        return this.#backward(step);
      case "end":
        return this.#end();
    }
  }

  /** @param {number[]} leaves @param {(i: number) => number} number @param {string} heading */
  #leaves(leaves, number, heading) {
    if (!leaves.length) return null;
    const rows = firstFew(
      leaves,
      (i) =>
        h(
          "li",
          {},
          nodeButton(this.graph, i, this.go),
          h("output", { class: heading === "data" ? "data" : "grad" }, repr(number(i))),
        ),
      14,
    );
    return h("ul", { class: "leaves" }, ...rows);
  }

  /** @returns {Story} */
  #given() {
    const { graph } = this;
    const leaves = graph.count ? [...graph.kind.keys()].filter(graph.isLeaf) : [];
    const named = leaves.filter((i) => graph.role(i) !== "constant");
    const given = leaves.reduce((sum, i) => sum + graph.standsFor(i), 0);
    const numbers = plural(given, "number");
    const those =
      given === leaves.length
        ? `${numbers} ${given === 1 ? "is" : "are"} given.`
        : `${numbers} are given, drawn as ${plural(leaves.length, "node")}: what repeats is there once.`;
    const said =
      leaves.length === graph.count
        ? `${numbers} and no operation: nothing is computed.`
        : `${those} Everything else is computed from ${given === 1 ? "it" : "them"}${graph.hasModules ? " and from what is inside the folded modules" : ""}, one node at a time.`;
    return {
      phase: "Forward",
      title: "What is given",
      said,
      body: [h("p", {}, said), this.#leaves(named, (i) => graph.data[i], "data")],
    };
  }

  /** @param {number} i @returns {Story} */
  #forward(i) {
    const { graph } = this;
    const operands = graph.operandsOf(i);
    const changed = this.#changed(i);
    const said = `${graph.name(i)} is computed: ${graph.symbol(i)} of ${[...operands.subarray(0, 4)].map((j) => graph.name(j)).join(", ")}${operands.length > 4 ? ` and ${count(operands.length - 4)} more` : ""} is ${repr(graph.data[i])}.${changed && ` ${changed}`}`;
    const formula = graph.forward(i);
    /** @param {typeof symbolOf} show @param {string} sign */
    const written = (show, sign = "=") => {
      const right = typeset(formula, operandsOf(graph, i, show));
      return right ? equation(symbolOf(graph, i), sign, right) : h("code", {}, formula);
    };
    const body = [
      formula && h("div", { class: "equation" }, written(symbolOf)),
      formula &&
        h(
          "div",
          { class: "equation numbers" },
          written(
            (_, j) => (j === i ? symbolOf(graph, j) : numeral(graph.data[j])),
            changed ? "≠" : "=",
          ),
        ),
      h(
        "div",
        { class: "result" },
        h("span", {}, name(graph, i), " = "),
        h("output", { class: "data" }, repr(graph.data[i])),
      ),
      changed && h("p", { class: "mistake" }, changed),
      graph.isOpaque(i) &&
        h(
          "p",
          { class: "aside" },
          this.#inside(i),
          graph.isOwn(i) && " Only its Python code knows how it came to this number.",
        ),
      h(
        "p",
        { class: "aside" },
        "made of ",
        ...firstFew(operands, (j) => h("span", {}, nodeButton(graph, j, this.go), " "), 8),
      ),
    ];
    return { phase: "Forward", title: "is computed", said, body };
  }

  /** Why a node has no formula. @param {number} i */
  #inside(i) {
    const { graph } = this;
    if (graph.isOwn(i)) return "A node of your own: built by hand or by custom().";
    const several = graph.standsFor(i) > 1;
    const first = "drawn once, with the numbers of the first";
    if (graph.isModule(i))
      return several
        ? `${count(graph.standsFor(i))} results of modules, folded and ${first}: how one comes to its number is left out.`
        : "A module, folded: how it comes to this number is left out.";
    return several
      ? `${count(graph.standsFor(i))} nodes that do the same, ${first}.`
      : "Its operands stand for several nodes each, and not all of their numbers are here.";
  }

  /** What is to be said where a node's data no longer follow from its operands. @param {number} i */
  #changed(i) {
    const now = this.graph.changed.get(i);
    return now === undefined
      ? ""
      : `Data was changed after it was computed: its operands give ${repr(now)} now.`;
  }

  /** @returns {Story} */
  #seed() {
    const { record, graph } = this;
    const by = repr(record.seed);
    const said = `Backward starts at ${graph.name(record.root)}. Its gradient is ${by}.`;
    const itself = partial(symbolOf(graph, record.root), symbolOf(graph, record.root));
    const math = equation(itself, "=", numeral(record.seed));
    return {
      phase: "Backward",
      title: "starts here",
      said,
      body: [
        h("div", { class: "equation grad" }, math),
        h(
          "p",
          {},
          record.seed === 1
            ? "Each number matters to itself one to one. From here the question goes back: how much does each of the others matter?"
            : "This is what backward() was called with.",
        ),
        !this.ran &&
          h(
            "p",
            { class: "aside" },
            `The gradient captured here is ${repr(graph.grad[record.root])}. What follows is what backward() from here would do.`,
          ),
      ],
    };
  }

  /** @param {import("./timeline.js").Step} step @returns {Story} */
  #backward({ node, from, to }) {
    const { graph, record } = this;
    const g = record.gradient(node, from);
    const changed = this.#changed(node);
    const ks = Array.from({ length: to - from }, (_, k) => from + k);
    const first = ks
      .slice(0, 3)
      .map((k) => `to ${graph.name(record.to(k))}: ${this.#spoken(k)}`)
      .join(" ");
    const said = `${graph.name(node)} hands its gradient ${this.#known(node, g)} on. ${first}${ks.length > 3 ? ` And to ${count(ks.length - 3)} more.` : ""}`;
    return {
      phase: "Backward",
      title: "hands on",
      said,
      body: [
        graph.isOpaque(node)
          ? h(
              "p",
              {},
              this.#inside(node),
              graph.isOwn(node) && " Only its Python code knows what it hands on.",
              " So what its operands receive is not shown.",
            )
          : h(
              "p",
              {},
              "All that use ",
              name(graph, node),
              " have had their turn: its gradient is complete. It hands a share to ",
              ks.length === 1
                ? "its operand."
                : ks.length === 2 && record.to(from) === record.to(to - 1)
                  ? "both its operands, which are the same node."
                  : `each of its ${count(ks.length)} operands.`,
            ),
        changed && h("p", { class: "mistake" }, changed),
        ...firstFew(ks, (k) => this.handover(k)),
      ],
    };
  }

  /** @param {number} i @param {number} x */
  #known = (i, x) => (this.record.unknown.has(i) ? "?" : repr(x));

  /** @param {number} k */
  #spoken(k) {
    const { record, graph } = this;
    if (graph.isOpaque(record.from(k))) return "unknown.";
    const g = record.gradient(record.from(k), k);
    return `${repr(graph.slope[record.edges[k]])} times ${this.#known(record.from(k), g)} is ${this.#known(record.from(k), record.products[k])}; sum ${this.#known(record.to(k), record.sums[k])}.`;
  }

  /** One hand-over: local derivative, incoming gradient, their product, the sum. @param {number} k */
  handover(k) {
    const { graph, record } = this;
    const edge = record.edges[k];
    const [i, j] = [record.from(k), record.to(k)];
    const [out, x, root] = [
      () => symbolOf(graph, i),
      () => symbolOf(graph, j),
      () => symbolOf(graph, record.root),
    ];
    const operands = graph.operandsOf(i);
    const position = edge - graph.offsets[i] + 1;
    const heading = h(
      "h3",
      {},
      "to ",
      nodeButton(graph, j, this.go),
      operands.length > 1 &&
        h("small", {}, ` operand ${count(position)} of ${count(operands.length)}`),
    );
    if (graph.isOpaque(i))
      return h(
        "section",
        { class: "handover" },
        heading,
        h(
          "p",
          { class: "aside" },
          record.captured.has(j)
            ? `Its gradient as captured: ${repr(record.sums[k])}`
            : "Its gradient cannot be known here.",
        ),
      );
    const g = record.gradient(i, k);
    const before = record.gradient(j, k);
    const formula = graph.local(edge);
    const slope = /^-?[\d.]+$/.test(formula)
      ? null
      : typeset(formula, operandsOf(graph, i, symbolOf));
    const local = slope
      ? equation(partial(out(), x()), "=", slope)
      : m("math", {}, partial(out(), x()));
    // the product is the engine's; this asks only whether a plain = would be true to the last digit
    const exact = Object.is(graph.slope[edge] * g, record.products[k]) || this.#known(i, g) === "?";
    return h(
      "section",
      { class: "handover" },
      heading,
      h(
        "dl",
        {},
        row("local", "local derivative", local, repr(graph.slope[edge])),
        row(
          "grad",
          "× incoming gradient",
          m("math", {}, partial(root(), out())),
          this.#known(i, g),
        ),
        row(
          "grad share",
          `${exact ? "=" : "≈"} share`,
          exact ? null : h("small", {}, "the engine rounds once, in another order"),
          this.#known(i, record.products[k]),
        ),
        row(
          "grad sum",
          "sum so far",
          equation(numeral(before), "+", signed(record.products[k])),
          this.#known(j, record.sums[k]),
        ),
      ),
    );
  }

  /** @returns {Story} */
  #end() {
    const { graph, record } = this;
    const reached = graph.count
      ? [...graph.kind.keys()].filter(
          (i) => graph.isLeaf(i) && record.reaches(i) && graph.role(i) !== "constant",
        )
      : [];
    const said = `Backward is complete. ${plural(reached.length, "input")} ${reached.length === 1 ? "has its gradient" : "or parameters have their gradients"}.`;
    const odd =
      graph.ran &&
      this.ran &&
      reached.some((i) => !record.unknown.has(i) && !Object.is(record.final(i), graph.grad[i]));
    return {
      phase: "Backward",
      title: "Backward is complete",
      said,
      body: [
        h(
          "p",
          {},
          "How much ",
          name(graph, record.root),
          " changes with each of these, at the numbers given:",
        ),
        this.#leaves(reached, record.final, "grad"),
        odd &&
          h(
            "p",
            { class: "aside" },
            "Some captured gradients are others. Leaves add up over calls of backward(), and a number may have been changed since. Select a node to see both.",
          ),
      ],
    };
  }
}

/** @param {string} look @param {string} what @param {Node | null} formula @param {string} number */
function row(look, what, formula, number) {
  return h(
    "div",
    { class: look },
    h("dt", {}, what, formula && h("span", { class: "formula" }, formula)),
    h("dd", {}, h("output", {}, number)),
  );
}

/** A number as a summand. @param {number} x */
function signed(x) {
  return repr(x).startsWith("-")
    ? m("mrow", {}, m("mo", { form: "prefix" }, "("), numeral(x), m("mo", { form: "postfix" }, ")"))
    : numeral(x);
}
