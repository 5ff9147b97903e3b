// A client that waits for a sign-in. Its sealed request is in the address of each page, so it survives reloads, a change of the language and
// another tab.

const parameters = new URLSearchParams(location.search);

/** The sealed request, or null if the user came on their own. */
export const pending = parameters.get("continue");

/** Why the client asks, if a plain sign-in isn't enough: `again` or `two-step`. */
export const asked = pending && parameters.get("ask");

/** What the client knows of the user: an email address or a phone number. */
export const hint = (pending && parameters.get("hint")) ?? "";

/** The address that takes the request back. It sends the user to the client, or to what is missing. */
export const toClient = pending && `/oauth/authorize?${new URLSearchParams({ request: pending })}`;

/** The address of a page of this site that keeps the client's request. @param {string} path */
export function keeping(path) {
  if (!pending || path === toClient) return path;
  const [page, hash] = path.split("#");
  const kept = new URLSearchParams({ continue: pending });
  for (const name of ["hint", "lang"]) if (parameters.has(name)) kept.set(name, parameters.get(name) ?? "");
  return `${page}?${kept}${hash ? `#${hash}` : ""}`;
}

export function backToClient() {
  location.replace(toClient ?? "/");
}
