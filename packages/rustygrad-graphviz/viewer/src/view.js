// The drawing: cards and the curves between them, what a moment makes of them, zoom and focus.

import { select } from "d3-selection";
import { zoom, zoomIdentity } from "d3-zoom";
import { Cards, text } from "./cards.js";
import { fill, s, still } from "./dom.js";
import { widthOf } from "./fonts.js";
import { arrange, READABLE } from "./layout.js";
import { plural, short } from "./numbers.js";

/** @typedef {import("./moments.js").Moment} Moment */

/** Links beyond which they are drawn as one. */
const THICKET = 220;

export class View {
  /**
   * @param {SVGSVGElement} svg
   * @param {import("./folding.js").Folding} folding
   * @param {{ select: (id: number) => void, toggle: (group: number, open: boolean) => void }} on
   * @param {(i: number) => string} longest the longest number that a node's card may come to show
   */
  constructor(svg, folding, on, longest) {
    this.svg = svg;
    this.folding = folding;
    this.graph = folding.graph;
    this.on = on;
    /** @param {number} id */
    const choose = (id) => {
      this.focus = id;
      this.#roving(false);
      on.select(id);
    };
    this.maker = new Cards(folding, { select: choose, toggle: on.toggle }, longest);
    this.world = s("g", { class: "world" });
    /** @type {Map<number, import("./cards.js").Card>} */
    this.cards = new Map();
    /** What a moment draws over the links. */
    this.flows = s("g");
    this.chips = s("g", { "aria-hidden": "true" });
    this.selected = -1;
    this.focus = -1;
    this.touched = false;
    const name = svg.id;
    fill(
      svg,
      s(
        "defs",
        {},
        arrow(`${name}-arrow`, "arrow"),
        arrow(`${name}-forth`, "arrow forth"),
        arrow(`${name}-back`, "arrow back"),
      ),
      this.world,
    );
    this.zoom = /** @type {import("d3-zoom").ZoomBehavior<SVGSVGElement, unknown>} */ (zoom())
      .scaleExtent([0.04, 3])
      .on("zoom", (event) => {
        this.world.setAttribute("transform", event.transform);
        if (event.sourceEvent) this.touched = true;
        svg.classList.toggle("is-far", event.transform.k < 0.45);
      })
      .on("end", (event) => (this.goal = event.transform));
    /** Where the drawing is, or is moving to. */
    this.goal = zoomIdentity;
    select(svg).call(this.zoom).on("dblclick.zoom", null);
    svg.addEventListener("keydown", (event) => this.#onKey(event));
    new ResizeObserver(() => this.#resized()).observe(svg);
  }

  get #size() {
    return {
      width: Math.max(this.svg.clientWidth, 1),
      height: Math.max(this.svg.clientHeight, 1),
    };
  }

  #resized() {
    if (this.touched || !this.moment) return;
    this.draw();
    this.update(this.moment);
  }

  /** Lay everything out again, after folding. */
  draw() {
    const { folding } = this;
    this.arrangement = arrange(folding, (item, down) => this.maker.measure(item, down), this.#size);
    this.down = this.arrangement.down;
    const { items, frames, paths } = this.arrangement;
    /** @type {Map<number, number>} */
    this.linkOf = new Map();
    folding.links.forEach((link, k) => link.edges.forEach((edge) => this.linkOf?.set(edge, k)));
    this.links =
      folding.links.length > THICKET
        ? [s("path", { class: "link thicket", d: paths.join("") })] // one element, because thousands are slow
        : paths.map((d) =>
            s("path", { class: "link", d, "marker-end": `url(#${this.svg.id}-arrow)` }),
          );
    const outer = [...frames].sort(([a], [b]) => a - b).map(([g, box]) => this.maker.frame(g, box));
    this.cards.clear();
    const { down } = this;
    /** @param {import("./folding.js").Item} item */
    const along = ({ id }) =>
      /** @type {import("./layout.js").Box} */ (items.get(id))[down ? "y" : "x"];
    /** @param {import("./folding.js").Item} item */
    const across = ({ id }) =>
      /** @type {import("./layout.js").Box} */ (items.get(id))[down ? "x" : "y"];
    // in reading order, which is also the order of the keyboard
    const ordered = [...folding.items].sort((a, b) => along(a) - along(b) || across(a) - across(b));
    const cards = ordered.map((item) => {
      const at = /** @type {import("./layout.js").Box} */ (items.get(item.id));
      const card = this.maker.make(item, at, down);
      this.cards.set(item.id, card);
      return card.box;
    });
    fill(this.world, ...outer, s("g", {}, ...this.links), this.flows, ...cards, this.chips);
    if (!this.cards.has(this.focus)) this.focus = ordered.length ? ordered[0].id : -1;
    this.#roving(false);
    this.mark(this.selected);
    if (!this.touched) this.#begin();
  }

  // --- a moment ---

  /** @param {Moment} moment */
  update(moment) {
    const { graph } = this;
    this.moment = moment;
    for (const [id, card] of this.cards) {
      const look = card.box.classList;
      for (const mark of ["now", "from", "to"])
        look.toggle(`is-${mark}`, moment.marks.get(id) === mark);
      if (card.bars) {
        const parts = moment.progress(id - graph.count);
        card.bars.forEach((bar, k) => set(bar, "width", ((card.room ?? 0) * parts[k]).toFixed(1)));
        const wrong = moment.wrongIn(id - graph.count);
        const said = wrong && this.maker.wrongOf(wrong, id - graph.count);
        look.toggle("is-wrong", wrong > 0);
        write(card.tally, said || this.maker.tally(id - graph.count));
        card.box.setAttribute("aria-label", [card.name, said].filter(Boolean).join(", "));
        continue;
      }
      const computed = moment.computed(id);
      look.toggle("is-waiting", !computed);
      const data = computed ? short(graph.data[id]) : "";
      write(card.data, data);
      if (!card.grad) continue;
      const gradient = moment.gradient(id);
      write(card.grad, gradient ? gradient.text : "");
      set(
        /** @type {SVGElement} */ (card.shade),
        "opacity",
        gradient ? gradient.shade.toFixed(3) : "0",
      );
      const wrong = moment.wrong(id);
      look.toggle("is-wrong", wrong !== "");
      card.box.setAttribute(
        "aria-label",
        [card.name, data && `data ${data}`, gradient && `gradient ${gradient.text}`, wrong]
          .filter(Boolean)
          .join(", "),
      );
    }
    this.#flow(moment.flows);
  }

  /** @param {Moment["flows"]} flows */
  #flow(flows) {
    const { paths } = /** @type {import("./layout.js").Arrangement} */ (this.arrangement);
    /** @type {Map<number, string[]>} */
    const chips = new Map();
    /** @type {Map<number, boolean>} */
    const backward = new Map();
    for (const [edge, { text: said, back }] of flows) {
      const k = this.linkOf?.get(edge);
      if (k === undefined) continue; // inside a folded group
      backward.set(k, back);
      if (said) chips.set(k, [...(chips.get(k) ?? []), said]);
    }
    const single = this.links?.length === paths.length;
    for (const [k, path] of (this.links ?? []).entries())
      path.classList.toggle("is-under", single && backward.has(k));
    fill(
      this.flows,
      ...[...backward].map(([k, back]) =>
        s("path", {
          class: `link flows ${back ? "back" : "forth"}`,
          d: paths[k],
          [back ? "marker-start" : "marker-end"]: `url(#${this.svg.id}-${back ? "back" : "forth"})`,
        }),
      ),
    );
    fill(
      this.chips,
      ...[...chips].slice(0, 24).map(([k, all]) => {
        const { x, y } = /** @type {import("./layout.js").Arrangement} */ (this.arrangement)
          .middles[k];
        const said = all.length > 1 ? plural(all.length, "share") : all[0];
        const width = 14 + widthOf(said, "chip");
        return s(
          "g",
          { class: "chip", transform: `translate(${x} ${y})` },
          s("rect", { x: -width / 2, y: -10, width, height: 20, rx: 10 }),
          text("", 0, 4, said, "middle"),
        );
      }),
    );
  }

  /** Show which item is selected, and its neighbours. @param {number} id */
  mark(id) {
    this.selected = id;
    for (const [other, { box }] of this.cards) box.classList.toggle("is-selected", other === id);
  }

  // --- moving about ---

  /** Show all of it. @param {boolean} smooth */
  fit(smooth = true) {
    const room = this.#size;
    if (!this.arrangement) return;
    this.touched = false;
    const { width, height } = this.arrangement;
    const k = Math.min(1.35, room.width / width, room.height / height) || 1;
    this.#place((room.width - k * width) / 2, (room.height - k * height) / 2, k, smooth);
  }

  /** Show all of it, or, where that would be too small to read, where it begins. */
  #begin() {
    this.fit(false);
    const first = this.arrangement?.items.get(this.focus);
    if (!this.arrangement || !first || this.goal.k >= READABLE) return;
    this.#show(first, READABLE, false);
  }

  /** Put a place in the middle, or as near to it as the drawing's edges allow. @param {import("./layout.js").Point} place @param {number} k the scale @param {boolean} smooth */
  #show({ x, y }, k, smooth) {
    const room = this.#size;
    /** @param {number} all @param {number} size @param {number} at */
    const along = (all, size, at) =>
      size <= all ? (all - size) / 2 : Math.min(0, Math.max(all / 2 - at, all - size));
    const { width, height } = /** @type {import("./layout.js").Arrangement} */ (this.arrangement);
    this.#place(
      along(room.width, k * width, k * x),
      along(room.height, k * height, k * y),
      k,
      smooth,
    );
  }

  /** Put the drawing's corner somewhere. @param {number} x @param {number} y @param {number} k @param {boolean} smooth */
  #place(x, y, k, smooth) {
    const goal = zoomIdentity.translate(x, y).scale(k);
    this.#moved(smooth).call(this.zoom.transform, goal);
    this.goal = goal;
  }

  /** @param {number} factor */
  scale = (factor) => {
    this.touched = true;
    this.#moved(true).call(this.zoom.scaleBy, factor);
  };

  /**
   * Move so that an item can be seen, with others if there is room, and large enough to read if wanted.
   * @param {number} id @param {Iterable<number>} others @param {boolean} near
   */
  follow(id, others = [], near = false) {
    const all = [id, ...others]
      .map((other) => this.arrangement?.items.get(other))
      .filter((box) => box !== undefined);
    const { width, height } = this.#size;
    const at = this.goal;
    const k = near ? Math.max(at.k, 0.8) : at.k;
    const box =
      [hull(all), all[0]].find((b) => b && b.width * k <= width && b.height * k <= height) ??
      all[0];
    if (!box) return;
    const [x, y] = at.apply([box.x, box.y]);
    const [w, h] = [(box.width / 2) * at.k, (box.height / 2) * at.k];
    const inside = x - w > -1 && x + w < width + 1 && y - h > -1 && y + h < height + 1;
    if (inside && (!near || at.k > 0.6)) return;
    this.touched = true;
    this.#show(box, k, true);
  }

  /** @param {boolean} smooth @returns {any} */
  #moved(smooth) {
    const selection = select(this.svg);
    return smooth && !still()
      ? /** @type {any} */ (selection).transition().duration(260)
      : selection;
  }

  /** One item can be tabbed to, the others are reached with the arrow keys. @param {boolean} take */
  #roving(take) {
    for (const [id, { box }] of this.cards)
      box.setAttribute("tabindex", id === this.focus ? "0" : "-1");
    if (take) {
      this.cards.get(this.focus)?.box.focus({ preventScroll: true });
      this.follow(this.focus);
    }
  }

  /** Put the keyboard's focus on an item. @param {number} id */
  focusOn(id) {
    if (!this.cards.has(id)) return;
    this.focus = id;
    this.#roving(true);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const ids = [...this.cards.keys()];
    const at = ids.indexOf(this.focus);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      this.focusOn(ids[(at + (event.key === "ArrowDown" ? 1 : ids.length - 1)) % ids.length]);
    } else if (event.key === "Enter") this.on.select(this.focus);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** The box around boxes. @param {import("./layout.js").Box[]} boxes @returns {import("./layout.js").Box | undefined} */
function hull(boxes) {
  if (!boxes.length) return undefined;
  const [left, right] = [
    Math.min(...boxes.map((b) => b.x - b.width / 2)),
    Math.max(...boxes.map((b) => b.x + b.width / 2)),
  ];
  const [top, bottom] = [
    Math.min(...boxes.map((b) => b.y - b.height / 2)),
    Math.max(...boxes.map((b) => b.y + b.height / 2)),
  ];
  return {
    x: (left + right) / 2,
    y: (top + bottom) / 2,
    width: right - left,
    height: bottom - top,
  };
}

/** @param {string} id @param {string} look */
function arrow(id, look) {
  return s(
    "marker",
    {
      id,
      class: look,
      viewBox: "0 0 8 8",
      refX: 7,
      refY: 4,
      markerWidth: 7,
      markerHeight: 7,
      markerUnits: "userSpaceOnUse",
      orient: "auto-start-reverse",
    },
    s("path", { d: "M0 0.6 L7.6 4 L0 7.4 z" }),
  );
}

/** Set an attribute if it is another one. @param {Element} element @param {string} name @param {string} value */
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** @param {Element | undefined} element @param {string} value */
function write(element, value) {
  if (!element || element.textContent === value) return;
  element.textContent = value;
  element.classList.toggle("is-odd", /nan|inf/.test(value));
}
