/**
 * Options of the wire for a function with so many processors. One that has less than a whole one does not wait awake for
 * calls and replies: what it burns waiting, its quota takes from its next computation.
 */
export function waitAwake(vcpus: number): { readonly pollMs?: number } {
  return vcpus < 1 ? { pollMs: 0 } : {};
}
