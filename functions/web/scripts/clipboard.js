// Copies text, which a browser can refuse.

/** @param {string} text @returns {Promise<boolean>} whether it was copied */
export const copy = (text) => navigator.clipboard.writeText(text).then(() => true, () => false);
