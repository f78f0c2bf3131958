// The keyboard. Letters and signs can be switched off, for who speaks to the computer.

import { byId } from "./dom.js";

/** @typedef {Record<"next" | "back" | "first" | "last" | "play" | "graph" | "fold" | "closer" | "farther" | "fit" | "mode" | "close", () => void>} Actions */

/** @param {Actions} act */
export function listenToKeys(act) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("keys"));
  const letters = /** @type {HTMLInputElement} */ (byId("letters"));
  byId("help").addEventListener("click", () => dialog.showModal());

  /** @type {{ [key: string]: () => void }} */
  const always = {
    ArrowRight: act.next,
    ArrowLeft: act.back,
    Home: act.first,
    End: act.last,
    " ": act.play,
    Escape: act.close,
  };
  /** @type {{ [key: string]: () => void }} */
  const single = {
    p: act.play,
    g: act.graph,
    f: act.fold,
    w: act.mode,
    "+": act.closer,
    "=": act.closer,
    "-": act.farther,
    0: act.fit,
    "/": () => byId("search").focus(),
    "?": () => dialog.showModal(),
    t: () => byId("theme").click(),
  };
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (
      !(target instanceof Element) ||
      dialog.open ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey
    )
      return;
    // what has the focus in a dialog that has closed loses it only when the page is drawn again
    const typing = target.closest("input, select, textarea") && !dialog.contains(target);
    if (typing && !(target.id === "slider" && event.key === " ")) return;
    if (event.key === " " && target.closest("button, a, summary")) return;
    const action = always[event.key] ?? (letters.checked ? single[event.key] : undefined);
    if (!action || document.body.classList.contains("is-empty")) return;
    event.preventDefault();
    action();
  });
}
