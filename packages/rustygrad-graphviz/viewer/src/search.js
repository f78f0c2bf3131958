// Finding nodes by label, operation, module, index or number.

import { fill, h } from "./dom.js";
import { name } from "./names.js";
import { plural, repr, short } from "./numbers.js";

/** Hits that are listed. */
const LISTED = 40;

/**
 * @param {HTMLInputElement} input @param {HTMLElement} list @param {HTMLElement} count
 * @param {import("./graph.js").Graph} graph @param {(i: number) => void} go what to do with the node that was chosen
 */
export function searchBox(input, list, count, graph, go) {
  /** @type {number[]} */
  let hits = [];
  let at = -1;

  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  /** @param {number} to */
  const point = (to) => {
    at = to;
    [...list.children].forEach((option, k) =>
      option.setAttribute("aria-selected", String(k === at)),
    );
    const option = list.children[at];
    if (!option) return;
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  };
  /** @param {number} i */
  const choose = (i) => {
    close();
    input.blur();
    go(i);
  };
  const search = () => {
    hits = find(graph, input.value.trim());
    const options = hits.slice(0, LISTED).map((i, k) =>
      h(
        "li",
        {
          id: `hit-${k}`,
          role: "option",
          "aria-selected": "false",
          onmousedown: (/** @type {Event} */ event) => event.preventDefault(),
          onclick: () => choose(i),
        },
        h("span", { class: `node ${graph.role(i) || "inner"}` }, name(graph, i)),
        h(
          "small",
          {},
          [graph.isLeaf(i) ? graph.role(i) : graph.symbol(i), graph.scope(i)]
            .filter(Boolean)
            .join(" · "),
        ),
        h("output", { class: "data" }, short(graph.data[i])),
      ),
    );
    fill(list, ...options);
    count.textContent = input.value.trim()
      ? hits.length
        ? `${plural(hits.length, "node")} found`
        : "nothing found"
      : "";
    if (!hits.length && input.value.trim()) fill(list, h("li", { class: "none" }, "Nothing found"));
    list.hidden = !input.value.trim();
    input.setAttribute("aria-expanded", String(!list.hidden));
    point(hits.length ? 0 : -1);
  };
  input.addEventListener("input", search);
  input.addEventListener("focus", search);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const shown = Math.min(hits.length, LISTED);
    if (event.key === "ArrowDown" && shown) point((at + 1) % shown);
    else if (event.key === "ArrowUp" && shown) point((at + shown - 1) % shown);
    else if (event.key === "Enter" && at >= 0) choose(hits[at]);
    else if (event.key === "Escape") {
      if (list.hidden) input.blur();
      close();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

/**
 * Nodes that a text finds, the best first: exact names, names that begin with it, then the rest.
 * @param {import("./graph.js").Graph} graph @param {string} text
 */
export function find(graph, text) {
  if (!text) return [];
  const wanted = text.toLowerCase();
  const index = /^[%v]?(\d+)$/.exec(wanted);
  /** @type {number[][]} */
  const found = [[], [], []];
  for (let i = 0; i < graph.count; i++) {
    const label = graph.label(i).toLowerCase();
    if (label === wanted || (index && Number(index[1]) === i)) found[0].push(i);
    else if (label.startsWith(wanted)) found[1].push(i);
    else if (
      label.includes(wanted) ||
      graph.scope(i).toLowerCase().includes(wanted) ||
      graph.symbol(i).toLowerCase() === wanted ||
      graph.role(i) === wanted ||
      repr(graph.data[i]) === wanted
    )
      found[2].push(i);
  }
  return found.flat();
}
