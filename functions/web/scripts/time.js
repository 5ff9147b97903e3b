// The server's time. All times of the API are the server's, and the device's clock can be wrong or change while the page is open. So the
// page takes the time from the answers and counts on with the browser's monotonic clock.

/** Milliseconds by which the server's clock is ahead of the monotonic clock. @type {number | undefined} */
let ahead;

/** Answers have whole seconds, so a smaller difference says nothing. */
const PRECISION = 2000;

/** Learns the time from an answer. @param {string | null} date its `Date` header */
export function heard(date) {
  const offset = Date.parse(date ?? "") - performance.now();
  if (Number.isNaN(offset)) return;
  if (ahead === undefined || Math.abs(offset - ahead) >= PRECISION) ahead = offset;
}

/** Whether an answer has told this page the time. */
export const isKnown = () => ahead !== undefined;

/** The server's time in milliseconds, or the device's before the first answer. */
export const now = () => (ahead === undefined ? Date.now() : performance.now() + ahead);

/** Seconds until a time of the server. @param {string} time RFC 3339 */
export const secondsUntil = (time) => (Date.parse(time) - now()) / 1000;
