// The selected node or group: where it is, what it is made of, what is made of it.

import { fill, h, shown } from "./dom.js";
import { name, nodeButton } from "./names.js";
import { count, plural, repr } from "./numbers.js";
import { firstFew } from "./story.js";

/**
 * @typedef {object} Context
 * @property {import("./record.js").Record} record
 * @property {number} now hand-overs until now
 * @property {import("./folding.js").Folding} folding
 * @property {(i: number) => void} go
 * @property {(group: number, open: boolean) => void} toggle
 * @property {() => void} close
 */

/** @param {HTMLElement} panel @param {number} id an item @param {Context} context */
export function inspect(panel, id, context) {
  const { graph } = context.record;
  panel.hidden = id < 0;
  if (id < 0) return;
  const inside = id < graph.count ? node(id, context) : group(id - graph.count, context);
  const close = h(
    "button",
    { class: "icon", type: "button", "aria-label": "Close", onclick: context.close },
    "×",
  );
  fill(panel, close, ...inside);
}

/** @param {number} i @param {Context} context */
function node(i, { record, now, folding, go, toggle }) {
  const { graph } = record;
  const final = record.final(i);
  const unknown = record.unknown.has(i);
  const receipts = record.receipts(i, now);
  const all = record.receipts(i, record.length).length;
  const captured = graph.ran && !(record.reaches(i) && Object.is(final, graph.grad[i]));
  return [
    h("h2", {}, name(graph, i), h("small", {}, ` %${i}`)),
    h(
      "dl",
      { class: "facts" },
      ...fact(
        "what",
        graph.isLeaf(i)
          ? graph.role(i)
          : `${graph.isOwn(i) ? "your own operation" : graph.isModule(i) ? "folded module" : "operation"} ${graph.symbol(i)}`,
        graph.isOutput(i) && ", a result",
      ),
      ...fact("data", h("output", { class: "data", "data-what": "data" }, repr(graph.data[i]))),
      ...fact(
        "grad",
        record.reaches(i)
          ? h("output", { class: "grad", "data-what": "grad" }, unknown ? "?" : repr(final))
          : h("span", { class: "aside" }, "takes no part in this backward"),
      ),
      ...(unknown
        ? fact(
            "",
            h(
              "span",
              { class: "aside" },
              graph.hasOwn
                ? "below a node of your own: only its Python code knows"
                : "below nodes that stand for several: what they hand on is not known",
            ),
          )
        : []),
      ...(captured
        ? fact(
            "captured",
            h("output", { class: "grad", "data-what": "captured" }, repr(graph.grad[i])),
          )
        : []),
      ...(graph.source(i) ? fact("made at", h("code", {}, h("bdi", {}, graph.source(i)))) : []),
      ...(graph.scope(i) ? fact("module", h("bdi", {}, graph.scope(i))) : []),
    ),
    folding.around(i).length > 0 &&
      h(
        "p",
        { class: "folds" },
        ...folding
          .around(i)
          .map((g) =>
            h(
              "button",
              { type: "button", onclick: () => toggle(g, false) },
              `Fold ${folding.title(g)}`,
            ),
          ),
      ),
    all > 0 && h("h3", {}, `Received ${count(receipts.length)} of ${plural(all, "share")}`),
    receipts.length > 0 &&
      h(
        "ol",
        { class: "ledger" },
        ...firstFew(
          receipts,
          (k) =>
            h(
              "li",
              {},
              nodeButton(graph, record.from(k), go),
              h("output", {}, graph.isOpaque(record.from(k)) ? "?" : plus(record.products[k])),
              h("output", { class: "grad" }, unknown ? "?" : repr(record.sums[k])),
            ),
          8,
        ),
      ),
    ...neighbours(graph, "Made of", graph.operandsOf(i), go),
    ...neighbours(graph, "Used by", graph.usersOf(i), go),
  ];
}

/** @param {number} g @param {Context} context */
function group(g, { record, folding, toggle }) {
  const { graph } = record;
  const kinds = { module: "a module", repeat: "nodes that do the same", run: "a run of nodes" };
  return [
    h("h2", {}, h("bdi", {}, folding.title(g))),
    h(
      "p",
      {},
      `${kinds[/** @type {"module"} */ (graph.groupKind(g))]}, folded: ${plural(folding.size[g], "node")}.`,
    ),
    h(
      "p",
      { class: "folds" },
      h(
        "button",
        { type: "button", onclick: () => toggle(g, true) },
        `Unfold into ${plural(folding.members(g), "item")}`,
      ),
      graph.groupParent[g] > 0 &&
        h(
          "button",
          { type: "button", onclick: () => toggle(graph.groupParent[g], false) },
          `Fold ${folding.title(graph.groupParent[g])}`,
        ),
    ),
  ];
}

/** @param {string} what @param {import("./dom.js").Child[]} said */
const fact = (what, ...said) => [h("dt", {}, shown(what)), h("dd", {}, ...said)];

/** @param {number} x */
const plus = (x) => (repr(x).startsWith("-") ? repr(x) : `+${repr(x)}`);

/** @param {import("./graph.js").Graph} graph @param {string} heading @param {ArrayLike<number>} nodes @param {(i: number) => void} go */
function neighbours(graph, heading, nodes, go) {
  if (!nodes.length) return [];
  return [
    h("h3", {}, heading),
    h("p", { class: "neighbours" }, ...firstFew(nodes, (j) => nodeButton(graph, j, go), 12)),
  ];
}
