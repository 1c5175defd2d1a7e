/** Writes the shell's id into every file up to `--`, and becomes the command after it: the id stays the same. */
const JOIN_AND_EXEC = 'set -e; while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@"';

/**
 * The command line that runs a command inside of its limits from its first instruction on.
 * @param processLists files that take the id of the process
 * @param dataLimitMb most MiB of private memory, by resource limit; `null`: no such limit
 */
export function joinCommand(
  processLists: readonly string[],
  { command, dataLimitMb }: { readonly command: readonly string[]; readonly dataLimitMb: number | null },
): readonly [string, ...string[]] {
  const limit = dataLimitMb === null ? "" : `ulimit -d ${Math.floor(dataLimitMb * 1024)}; `;
  return ["/bin/sh", "-c", limit + JOIN_AND_EXEC, "remoe", ...processLists, "--", ...command];
}
