// A key as a Latin keyboard has it: with a Russian layout the key of "a" types "ф".
export const latin = ({ key, code }) =>
  /^\p{L}$/u.test(key) && !/^\p{Script=Latin}$/u.test(key) && code.startsWith("Key")
    ? code.slice(3).toLowerCase()
    : key;
