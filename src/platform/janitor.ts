import { spawn } from "node:child_process";
import type { Socket } from "node:net";

/**
 * Reads names of control groups from its standard input until that closes, which happens however its starter ends, and
 * then clears away what that left: the processes listed in `$1` and in the groups below those, the folder `$1`, and the
 * groups.
 */
const SCRIPT = `
trap '' HUP INT TERM
folder=$1
shift
while IFS= read -r group; do set -- "$@" "$group"; done
kill_listed() { while read -r pid; do kill -9 "$pid"; done < "$1"; }
for list in "$folder"/*.pid; do kill_listed "$list"; done
rm -rf "$folder"
for group in "$@"; do
  for list in "$group"/*/cgroup.procs; do kill_listed "$list"; done
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    [ -d "$group" ] || break
    rmdir "$group"/*/
    rmdir "$group" || sleep 0.1
  done
done
`;

export interface Janitor {
  /** Has a control group cleared away too, if it is there. */
  own(cgroupPath: string): void;
  /** Ends it when nothing is left to clear away. */
  dismiss(): Promise<void>;
}

/**
 * Starts a process that outlives this one if it must: a function that hangs or is stopped cannot notice by itself that
 * nobody needs it any more.
 * @param folder may be made later; holds `*.pid` files with the ids of running functions
 */
export function startJanitor(folder: string): Janitor {
  const child = spawn("/bin/sh", ["-c", SCRIPT, "remoe-janitor", folder], {
    // Out of reach of what is sent to the whole process group.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = new Promise<unknown>((resolve) => child.once("exit", resolve).once("error", resolve));
  child.unref();
  (child.stdin as Socket).unref();
  // Whoever killed it has taken its work over.
  child.stdin.on("error", () => {});
  return {
    own: (cgroupPath) => void child.stdin.write(`${cgroupPath}\n`),
    async dismiss() {
      child.ref();
      child.stdin.end();
      await ended;
    },
  };
}
