// What nodes are called: a label, a constant's number, or v and the node's index.

import { cut, h } from "./dom.js";
import { repr } from "./numbers.js";

/** A node's name, the same beside the graph, in formulas and on the cards. @param {import("./graph.js").Graph} graph @param {number} i */
export function name(graph, i, most = Infinity) {
  const label = graph.label(i);
  if (label) return h("bdi", {}, cut(label, most));
  return graph.role(i) === "constant"
    ? h("span", {}, repr(graph.data[i]))
    : h("span", { class: "is-made-up" }, "v", h("sub", {}, i));
}

/** A longer name is cut where there is room for several lines of it. */
const LONG = 400;

/** A node as a button that selects it. @param {import("./graph.js").Graph} graph @param {number} i @param {(i: number) => void} go */
export const nodeButton = (graph, i, go) =>
  h(
    "button",
    {
      class: `node ${graph.role(i) || "inner"}`,
      type: "button",
      title: graph.label(i) || null, // it may be too long
      "data-node": i,
      onclick: () => go(i),
    },
    name(graph, i, LONG),
  );
