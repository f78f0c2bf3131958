// The page: one graph, played step by step, or in a wrong order beside the right one.

import { byId, cut, fill, h } from "./dom.js";
import { Folding, MOST } from "./folding.js";
import { float, Graph } from "./graph.js";
import { inspect } from "./inspector.js";
import { listenToKeys } from "./keys.js";
import { longestNumbers, Moments } from "./moments.js";
import { nodeButton } from "./names.js";
import { count, plural } from "./numbers.js";
import { Player } from "./player.js";
import { Record } from "./record.js";
import { searchBox } from "./search.js";
import { Narrator } from "./story.js";
import { themeSwitch } from "./theme.js";
import { Timeline } from "./timeline.js";
import { View } from "./view.js";
import { Comparison, KINDS } from "./wrong.js";

const graph = new Graph(JSON.parse(byId("graph").textContent ?? ""));
const folding = new Folding(graph);
const on = { select, toggle };
const longest = (/** @type {number} */ i) => played.longest(i);
const right = new View(byId("right"), folding, on, longest);
const wrong = new View(byId("wrong"), folding, on, longest);
const player = new Player(show);

/** @type {{ mode: "steps" | "wrong", step: number, event: number, kind: import("./wrong.js").Kind, selected: number, sweep: number }} */
const state = { mode: "steps", step: 0, event: 0, kind: "recursion", selected: -1, sweep: 0 };
/** @type {ReturnType<typeof play>} */
let played;
/** @type {number[]} */
let stops = [];
/** What is played from one of the results. @param {any} sweep */
function play(sweep) {
  const record = new Record(graph, sweep.right);
  const timeline = new Timeline(record);
  /** @param {import("./wrong.js").Kind} kind */
  const compared = (kind) =>
    new Comparison(record, new Record(graph, sweep[kind]), kind, float(sweep.visits));
  const comparisons = sweep.recursion && {
    recursion: compared("recursion"),
    once: compared("once"),
  };
  const records = [record, comparisons?.recursion.wrong, comparisons?.once.wrong].filter(Boolean);
  return {
    record,
    timeline,
    moments: new Moments(timeline, folding),
    narrator: new Narrator(record, { ran: sweep.ran }, goTo),
    comparisons,
    longest: longestNumbers(graph, records),
  };
}

// --- showing ---

/** Show a stop of what is played. @param {number} at */
function show(at) {
  return state.mode === "wrong" ? showCompared(at) : showStep(at);
}

/** @param {number} at a stop */
function showStep(at) {
  const { timeline, narrator, moments } = played;
  const before = stops[at - 1] ?? -1;
  state.step = stops[at];
  const step = timeline.steps[state.step];
  const moment = moments.step(state.step);
  right.update(moment);
  const steps = state.step - before;
  const story = steps > 1 ? foldedStory(step, steps) : narrator.tell(step);
  const heading = h(
    "h2",
    {
      class:
        step.kind === "backward" || step.kind === "seed" || step.kind === "end" ? "back" : "forth",
    },
    steps === 1 && step.node >= 0 && nodeButton(graph, step.node, goTo),
    steps === 1 && step.node >= 0 && " ",
    story.title,
  );
  fill(byId("story"), heading, ...story.body);
  byId("live").textContent = story.said;
  if (state.selected < 0) byId("explanation").scrollTop = 0;
  if (step.node >= 0) right.follow(folding.itemOf(step.node), moment.marks.keys());
  refreshInspector();
  return { text: `${story.phase}: ${story.said}`, phase: story.phase };
}

/** Several nodes at once, inside a folded group. @param {import("./timeline.js").Step} step @param {number} steps */
function foldedStory(step, steps) {
  const group = folding.hiding(step.node);
  const forth = step.kind === "forward";
  const said = `${count(steps)} nodes in ${folding.title(group)} ${forth ? "are computed" : "hand their gradients on"}, one after the other.`;
  return {
    phase: forth ? "Forward" : "Backward",
    title: folding.title(group),
    said,
    body: [
      h("p", {}, said),
      h(
        "p",
        { class: "folds" },
        h(
          "button",
          { type: "button", onclick: () => toggle(group, true) },
          "Unfold, to see each step",
        ),
      ),
      h("p", { class: "aside" }, "the last of them:"),
      ...played.narrator.tell(step).body,
    ],
  };
}

/** @param {number} now hand-overs */
function showCompared(now) {
  const comparison = played.comparisons?.[state.kind];
  if (!comparison) return { text: "", phase: "" };
  state.event = now;
  const { moments } = played;
  const reason = (/** @type {number} */ i) => comparison.reason(i, now);
  right.update(moments.compared(comparison.right, now, () => "", []));
  wrong.update(moments.compared(comparison.wrong, now, reason, comparison.spoilt));
  byId("wrong-name").textContent = `${KINDS[state.kind].title}: ${comparison.verdict}`;
  fill(byId("right-caption"), comparison.caption(false, now - 1));
  const caption = comparison.caption(true, now - 1);
  fill(byId("wrong-caption"), caption);
  const kinds = h(
    "div",
    { class: "modes", role: "group", "aria-label": "Which wrong order" },
    .../** @type {import("./wrong.js").Kind[]} */ (["recursion", "once"]).map((kind) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(kind === state.kind),
          "data-kind": kind,
          onclick: () => compare(kind),
        },
        KINDS[kind].title,
      ),
    ),
  );
  const focused = document.activeElement?.getAttribute("data-kind");
  fill(
    byId("story"),
    h("h2", { class: "back" }, "Why the order matters"),
    kinds,
    ...comparison.panel(now, goTo),
  );
  if (focused)
    /** @type {HTMLElement | null} */ (document.querySelector(`[data-kind="${focused}"]`))?.focus();
  byId("live").textContent = `Wrong order: ${caption.textContent}`;
  for (const [view, record] of /** @type {[View, Record][]} */ ([
    [right, comparison.right],
    [wrong, comparison.wrong],
  ])) {
    const k = Math.min(now, record.length) - 1; // where a shorter one ended
    if (k < 0) view.follow(folding.itemOf(record.root));
    else view.follow(folding.itemOf(record.to(k)), [folding.itemOf(record.from(k))]);
  }
  refreshInspector();
  return { text: `Share ${now}: ${caption.textContent}`, phase: "Shares" };
}

/** @param {import("./wrong.js").Kind} kind */
function compare(kind) {
  state.kind = kind;
  player.pause();
  player.over(played.comparisons?.[kind].length ?? 0, 0, 0);
}

// --- folding ---

/** Lay out again, and keep the place in the play, and what is selected if it can be seen. */
function refold() {
  state.selected = folding.showing(state.selected);
  for (const view of [right, wrong]) view.selected = state.selected;
  stops = played.timeline.stops(folding.hiding);
  played.moments.refold();
  right.draw();
  if (state.mode === "wrong") wrong.draw();
  resume();
}

/** Continue where the play is, with the stops that there are now. */
function resume() {
  if (state.mode === "wrong")
    return player.over(played.comparisons?.[state.kind].length ?? 0, 0, state.event);
  const at = stops.findIndex((stop) => stop >= state.step);
  player.over(
    stops.length - 1,
    stops.findIndex((stop) => stop >= played.timeline.seedAt),
    at,
  );
}

/** @param {number} group @param {boolean} open */
function toggle(group, open) {
  player.pause();
  const done = folding.set(group, open);
  if (!done) toast(`That would show more than ${MOST} items at once. Fold something else first.`);
  for (const view of [right, wrong]) view.touched = false;
  refold();
  if (open && done) {
    const inside = folding.items.find(({ node, group: g }) =>
      g < 0 ? graph.groupOf[node] === group : graph.groupParent[g] === group,
    );
    if (inside) right.focusOn(inside.id);
  } else right.focusOn(graph.count + group);
}

/** @param {boolean} open */
function foldAll(open) {
  player.pause();
  folding.setAll(open);
  for (const view of [right, wrong]) view.touched = false;
  refold();
}

// --- selecting ---

/** @param {number} id an item, or -1 */
function select(id) {
  state.selected = id;
  right.mark(id);
  wrong.mark(id);
  refreshInspector();
  if (id >= 0) byId("inspector").scrollIntoView({ block: "nearest" });
}

/** Select a node, and unfold what hides it. @param {number} i */
function goTo(i) {
  if (folding.hiding(i) >= 0) {
    folding.reveal(i);
    refold();
  }
  const within = byId("inspector").contains(document.activeElement);
  select(i);
  if (within) byId("inspector").focus(); // the button that was pressed is gone
  right.focus = i;
  right.follow(i, [], true);
  if (state.mode === "wrong") wrong.follow(i, [], true);
}

function refreshInspector() {
  const record =
    state.mode === "wrong"
      ? (played.comparisons?.[state.kind].right ?? played.record)
      : played.record;
  const now =
    state.mode === "wrong"
      ? Math.min(state.event, record.length)
      : played.timeline.steps[state.step].to;
  inspect(byId("inspector"), state.selected, {
    record,
    now,
    folding,
    go: goTo,
    toggle,
    close: () => select(-1),
  });
}

// --- the whole page ---

/** @param {"steps" | "wrong"} mode */
function setMode(mode) {
  player.pause();
  const possible = played.comparisons && played.record.length > 0;
  if (mode === "wrong" && !possible) {
    toast(
      played.record.length
        ? graph.hasOwn
          ? "A node of your own hands on in its own way, so no other order can be played here."
          : "Modules are folded here, or nodes drawn together. What they hand on inside is not known, so no other order can be played."
        : "Nothing is handed on here, in whatever order.",
    );
    return;
  }
  state.mode = mode;
  byId("mode-steps").setAttribute("aria-pressed", String(mode === "steps"));
  byId("mode-wrong").setAttribute("aria-pressed", String(mode === "wrong"));
  document.body.classList.toggle("compares", mode === "wrong");
  byId("wrong-pane").hidden = mode !== "wrong";
  byId("right-caption").hidden = mode !== "wrong";
  byId("wrong-caption").hidden = mode !== "wrong";
  byId("right-name").textContent = mode === "wrong" ? "In topological order" : "The graph";
  for (const view of [right, wrong]) view.touched = false;
  right.draw();
  if (mode === "wrong") {
    wrong.draw();
    compare(state.kind);
  } else resume();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let leaving;

/** @param {string} text */
function toast(text) {
  const place = byId("toast");
  clearTimeout(leaving);
  place.hidden = false;
  place.textContent = text;
  leaving = setTimeout(() => (place.hidden = true), 6000);
}

/** @param {number} sweep */
function choose(sweep) {
  player.pause();
  state.sweep = sweep;
  state.step = 0;
  state.event = 0;
  played = play(graph.record.sweeps[sweep]);
  if (state.mode === "wrong" && !played.comparisons) setMode("steps");
  refold();
}

/** What is to be said of data that no longer follow from their operands. @param {number} nodes how many */
function changedData(nodes) {
  const named = [...graph.changed.keys()].slice(0, 3).map((i) => cut(graph.name(i), 24));
  if (named.length && nodes > named.length) named.push("…");
  const which = named.length ? ` (${named.join(", ")})` : "";
  return `Data was changed after it was used: the data of ${plural(nodes, "node")}${which} ${nodes === 1 ? "does" : "do"} not follow from the operands any more, and what is played mixes new numbers with old results. Export before data is changed, that is before optimizer.step().`;
}

/** What stands above the graph. */
function introduce() {
  const title = graph.title || (graph.count ? "A graph" : "An empty graph");
  document.title = `${cut(title, 60)}, step by step`;
  fill(byId("title"), h("bdi", {}, title), graph.count > 0 && h("span", {}, ", step by step"));
  const tally = ["input", "parameter", "constant"].map((role) => [
    role,
    graph.roles.filter((r) => graph.record.roles[r] === role).length,
  ]);
  byId("summary").textContent = [
    plural(graph.count, "node"),
    ...tally.filter(([, n]) => n).map(([role, n]) => plural(Number(n), String(role))),
  ].join(" · ");
  const notes = [];
  if (!graph.count) notes.push("This graph has no nodes: there is nothing to play.");
  if (graph.record.note) notes.push(graph.record.note);
  if (graph.count && !graph.ran)
    notes.push(
      "Every gradient is 0: backward() has not run, or handed nothing on. The gradients shown are what it would give from the result.",
    );
  if (graph.record.changed.count) notes.push(changedData(graph.record.changed.count));
  if (graph.outputs.length > graph.record.sweeps.length)
    notes.push(
      `Backward is played from the first ${graph.record.sweeps.length} of ${graph.outputs.length} results.`,
    );
  byId("notice").textContent = notes.join(" ");
  byId("notice").hidden = !notes.length;
  const roots = /** @type {HTMLSelectElement} */ (byId("root"));
  graph.record.sweeps.forEach((/** @type {any} */ sweep, /** @type {number} */ k) =>
    roots.append(h("option", { value: k }, cut(graph.name(sweep.right.root), 24))),
  );
  byId("roots").hidden = graph.record.sweeps.length < 2;
  roots.addEventListener("change", () => choose(Number(roots.value)));
  byId("licences").textContent = byId("licence-text").textContent;
}

function selectFromAddress() {
  const found = /^#%?(\d+)$/.exec(location.hash);
  if (found && Number(found[1]) < graph.count) goTo(Number(found[1]));
}

introduce();
themeSwitch(/** @type {HTMLButtonElement} */ (byId("theme")));
if (graph.count) {
  choose(0);
  byId("mode-steps").addEventListener("click", () => setMode("steps"));
  byId("mode-wrong").addEventListener("click", () => setMode("wrong"));
  byId("zoom-in").addEventListener("click", () => right.scale(1.4));
  byId("zoom-out").addEventListener("click", () => right.scale(1 / 1.4));
  byId("zoom-fit").addEventListener("click", () => [right, wrong].forEach((view) => view.fit()));
  for (const [id, open] of /** @type {[string, boolean][]} */ ([
    ["fold-all", false],
    ["unfold-all", true],
  ])) {
    byId(id).hidden = graph.groupParent.length < 2;
    byId(id).addEventListener("click", () => foldAll(open));
  }
  searchBox(
    /** @type {HTMLInputElement} */ (byId("search")),
    byId("hits"),
    byId("hit-count"),
    graph,
    (i) => {
      goTo(i);
      right.focusOn(i);
    },
  );
  addEventListener("hashchange", selectFromAddress);
  selectFromAddress();
} else document.body.classList.add("is-empty");

listenToKeys({
  next: () => player.by(1),
  back: () => player.by(-1),
  first: () => player.to(0),
  last: () => player.to(player.last),
  play: () => player.toggle(),
  graph: () => right.focusOn(right.focus),
  fold: () => {
    const { selected } = state;
    if (selected >= graph.count) toggle(selected - graph.count, true);
    else if (selected >= 0 && folding.around(selected).length)
      toggle(folding.around(selected)[0], false);
    else toast("Select a node of a module, or something folded.");
  },
  closer: () => right.scale(1.4),
  farther: () => right.scale(1 / 1.4),
  fit: () => [right, wrong].forEach((view) => view.fit()),
  mode: () => setMode(state.mode === "steps" ? "wrong" : "steps"),
  close: () => select(-1),
});
