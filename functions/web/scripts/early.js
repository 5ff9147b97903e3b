// Runs before the first paint: marks on the root element what this browser already knows, so that styles show the right part of the page
// from the start. Holds forms that are submitted before the page's script is there.

(function () {
  const root = document.documentElement;
  const marks = root.dataset;

  /** @param {() => unknown} read */
  function found(read) {
    try {
      return read();
    } catch {
      marks.storage = "off";
    }
  }

  if (!navigator.cookieEnabled) marks.storage = "off";
  const host = marks.host;
  if (host && host !== location.hostname) marks.elsewhere = "";
  for (const name of ["challenge", "registration", "idle", "reset", "codes-shown"]) {
    if (found(() => sessionStorage.getItem(name))) root.setAttribute(`data-${name}`, "");
  }
  if (found(() => localStorage.getItem("signed-in"))) marks.signedIn = "";

  function way() {
    const asked = location.hash.slice(1);
    marks.way = asked === "phone" || asked === "email" ? asked : String(found(() => localStorage.getItem("way")) ?? "phone");
  }
  way();
  addEventListener("hashchange", way);

  /** @type {HTMLFormElement | undefined} */
  let held;

  /** @param {Event} event */
  function hold(event) {
    event.preventDefault();
    event.stopImmediatePropagation();
    held = /** @type {HTMLFormElement} */ (event.target);
    held.setAttribute("aria-busy", "true");
  }

  function failed() {
    marks.scripts = "failed";
  }

  addEventListener("submit", hold, true);
  addEventListener("error", failed, true);

  // The page's script takes over, and gets the form that was submitted too early.
  globalThis.takeOver = function () {
    removeEventListener("submit", hold, true);
    removeEventListener("error", failed, true);
    held?.removeAttribute("aria-busy");
    return held;
  };
})();
