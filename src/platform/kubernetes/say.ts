/** Why something is as it is, as the API tells it. */
export interface Words {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

/** @param otherwise what is said when the API gives no reason */
export function say(words: Words | null | undefined, otherwise: string): string {
  const said = [words?.reason, words?.message].filter((part) => part !== undefined && part !== "");
  return said.length === 0 ? otherwise : said.join(": ");
}
