export const act = () => {};
