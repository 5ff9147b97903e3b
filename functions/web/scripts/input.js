// Input as keyboards of all languages type it and as other programs copy it.

/** The value of a decimal digit of any script. In Unicode, the ten digits of a set follow each other, and the sets of mathematical digits too. @param {string} digit */
function valueOf(digit) {
  const code = Number(digit.codePointAt(0));
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return (code - zero) % 10;
}

/** Digits of every script as ASCII digits. @param {string} text */
export const asciiDigits = (text) => text.replace(/\p{Nd}/gu, (digit) => (/[0-9]/.test(digit) ? digit : String(valueOf(digit))));

/** Without the invisible marks and with plain spaces. @param {string} text */
export const withoutMarks = (text) => text.replace(/[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu, "").replace(/\p{Zs}/gu, " ");

/** Whether the text contains a character that shows nothing, apart from its ends. @param {string} text */
export const hidesSomething = (text) =>
  /[\p{Default_Ignorable_Code_Point}\p{Cc}⠀]/u.test(text.replace(/^[\s\p{Cf}]+|[\s\p{Cf}]+$/gu, ""));
