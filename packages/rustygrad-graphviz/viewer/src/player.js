// Play, pause and step: a position that moves along a row of stops.

import { byId } from "./dom.js";
import { count } from "./numbers.js";

const SPEEDS = [0.5, 1, 2, 5, 20];

export class Player {
  /** @param {(at: number) => { text: string, phase: string }} show shows a stop, and says what it is */
  constructor(show) {
    this.show = show;
    this.at = 0;
    this.last = 0;
    this.timer = 0;
    this.slider = /** @type {HTMLInputElement} */ (byId("slider"));
    this.speed = /** @type {HTMLSelectElement} */ (byId("speed"));
    this.speed.addEventListener("change", () => this.playing && this.#again());
    this.slider.addEventListener("input", () => this.to(Number(this.slider.value)));
    byId("first").addEventListener("click", () => this.to(0));
    byId("back").addEventListener("click", () => this.by(-1));
    byId("play").addEventListener("click", () => this.toggle());
    byId("next").addEventListener("click", () => this.by(1));
    byId("last").addEventListener("click", () => this.to(this.last));
  }

  get playing() {
    return this.timer !== 0;
  }

  /** A row of so many stops, and where the second of its two phases begins. @param {number} last @param {number} second @param {number} at */
  over(last, second, at) {
    this.last = last;
    this.slider.max = String(last);
    this.slider.style.setProperty("--second", `${last ? (100 * second) / last : 0}%`);
    this.#go(at);
  }

  /** @param {number} at */
  to(at) {
    this.pause();
    this.#go(at);
  }

  /** @param {number} steps */
  by = (steps) => this.to(this.at + steps);

  /** @param {number} at */
  #go(at) {
    this.at = Math.max(0, Math.min(this.last, at));
    const { text, phase } = this.show(this.at);
    this.slider.value = String(this.at);
    this.slider.setAttribute("aria-valuetext", text);
    byId("count").textContent = `${count(this.at)} / ${count(this.last)}`;
    byId("phase").textContent = phase;
    for (const [id, dead] of /** @type {[string, boolean][]} */ ([
      ["first", this.at === 0],
      ["back", this.at === 0],
      ["next", this.at === this.last],
      ["last", this.at === this.last],
    ]))
      byId(id).setAttribute("aria-disabled", String(dead));
  }

  toggle() {
    if (this.playing) return this.pause();
    if (this.at === this.last) this.#go(0);
    this.#look(true);
    this.#again();
  }

  #again() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.#go(this.at + 1);
      if (this.at < this.last) this.#again();
      else this.pause();
    }, 1000 / SPEEDS[this.speed.selectedIndex]);
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.#look(false);
  }

  /** @param {boolean} playing */
  #look(playing) {
    const button = byId("play");
    button.setAttribute("aria-label", playing ? "Pause" : "Play");
    button.classList.toggle("is-playing", playing);
  }
}
