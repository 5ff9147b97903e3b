// The user whose account the page shows. Its cards draw themselves when the user changes.

/** @typedef {import("./api.js").User} User */

/** @type {User} */
let present;

/** @type {((user: User) => void)[]} */
const cards = [];

export const user = () => present;

/** @param {(user: User) => void} draw */
export const onUser = (draw) => cards.push(draw);

/** @param {User} user */
export function setUser(user) {
  present = user;
  for (const draw of cards) draw(user);
}
