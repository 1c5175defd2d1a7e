/** → what is wrong with a text that is stored with its length, as in "has …", or null. */
export function findTextProblem(what: string, text: string, maxBytes: number): string | null {
  const bytes = Buffer.byteLength(text);
  if (bytes < 1 || bytes > maxBytes) return `has a ${what} of ${bytes} bytes, not 1 to ${maxBytes}`;
  // Control characters could forge log lines and steer terminals; lone surrogates have no UTF-8.
  return /[\p{Cc}\p{Cs}]/u.test(text) ? `has a ${what} that is not printable` : null;
}
