// A text field with a searchable list (WAI-ARIA combobox pattern).

import { asciiDigits, withoutMarks } from "./input.js";
import { element, show } from "./page.js";
import { say } from "./say.js";

/** @typedef {{value: string, label: string, note?: string, main?: boolean, others?: () => string[]}} Option
 *   `main`: whether it comes first among those with its note. `others`: other names to find it by */

/** Without accents, case and punctuation, so that “espana” finds “España”. @param {string} text */
const plain = (text) =>
  asciiDigits(withoutMarks(text))
    .normalize("NFD")
    .replace(/[\p{M}.’'‘\u0060]/gu, "")
    .replace(/[-,()&]/g, " ")
    .replace(/ı/g, "i")
    .replace(/\s+/g, " ")
    .toLowerCase()
    .trim();

const NONE = 6;

/** How well an option fits a search: 0 is exact. @param {Option} option @param {string} wanted */
function rank({ label, note, main, value, others }, wanted) {
  const digits = wanted.replace("+", "");
  const code = (note ?? "").replace("+", "");
  if (/^\d/.test(digits)) return code === digits ? (main ? 0 : 1) : code.startsWith(digits) ? 2 : NONE;
  const name = plain(label);
  const more = (others?.() ?? []).map(plain);
  if (name === wanted || plain(value) === wanted || more.includes(wanted)) return 0;
  if (name.startsWith(wanted)) return 1;
  if (more.some((each) => each.startsWith(wanted))) return 2;
  if (name.includes(` ${wanted}`)) return 3;
  if (more.some((each) => each.includes(` ${wanted}`))) return 4;
  return name.includes(wanted) ? 5 : NONE;
}

/**
 * @param {HTMLInputElement} input with its list in `aria-controls`
 * @param {{options: () => Option[], picked: (option: Option, leaving: boolean) => void, keeps: boolean}} how `keeps`: whether the field
 *   shows the picked option or is cleared for the next one
 */
export function combobox(input, { options, picked, keeps }) {
  const list = /** @type {HTMLElement} */ (document.getElementById(input.getAttribute("aria-controls") ?? ""));
  /** @type {Option[]} */
  let shown = [];
  let active = -1;
  /** @type {Option | undefined} */
  let current;

  const isOpen = () => !list.hidden;

  function open(search = "") {
    const wanted = plain(search);
    const ranked = options().map((option) => ({ option, rank: wanted ? rank(option, wanted) : 0 }));
    shown = ranked.filter(({ rank }) => rank < NONE).sort((a, b) => a.rank - b.rank).map(({ option }) => option);
    list.replaceChildren(
      ...shown.map((option, index) => {
        const item = element("li", { role: "option", id: `${list.id}-${index}`, "aria-selected": "false" }, option.label);
        if (option.note) item.append(" ", element("span", { class: "note" }, option.note));
        return item;
      }),
    );
    if (shown.length === 0) list.append(element("li", { class: "none", role: "option", "aria-disabled": "true" }, say("no_match")));
    show(list, true);
    input.setAttribute("aria-expanded", "true");
    const index = shown.findIndex(({ value }) => value === current?.value);
    activate(search ? (shown.length > 0 ? 0 : -1) : index);
  }

  function close() {
    show(list, false);
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    active = -1;
  }

  /** @param {number} index */
  function activate(index) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = index;
    const item = list.children[active];
    if (!item) return input.removeAttribute("aria-activedescendant");
    item.setAttribute("aria-selected", "true");
    item.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", item.id);
  }

  /** @param {Option | undefined} option @param {boolean} [leaving] whether the focus is on its way to the next field */
  function pick(option, leaving = false) {
    if (!option) return;
    set(option);
    close();
    picked(option, leaving);
  }

  /** @param {Option | undefined} option */
  function set(option) {
    current = keeps ? option : undefined;
    input.value = current?.label ?? "";
  }

  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => (isOpen() ? close() : open()));
  input.addEventListener("input", () => open(input.value));
  input.addEventListener("blur", () => {
    close();
    set(current);
  });
  input.addEventListener("keydown", (event) => {
    const last = shown.length - 1;
    switch (event.key) {
      case "ArrowDown":
        if (isOpen()) activate(active < last ? active + 1 : 0);
        else open();
        break;
      case "ArrowUp":
        if (isOpen()) activate(active > 0 ? active - 1 : last);
        else open();
        break;
      case "Enter":
        if (!isOpen()) return;
        pick(shown[active]);
        break;
      case "Escape":
        if (!isOpen()) return;
        close();
        set(current);
        break;
      case "Tab":
        // Leaving the field picks the active option.
        if (isOpen() && active >= 0) pick(shown[active], true);
        return;
      default:
        return;
    }
    event.preventDefault();
  });
  // On mousedown, because the field would lose focus before the click.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const item = /** @type {Element} */ (event.target).closest("li");
    pick(shown[[...list.children].indexOf(/** @type {Element} */ (item))]);
  });

  return { set };
}
