import type { Command } from "commander";
import { followLogs, readLogs } from "../../deploy/follow-logs.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { flag } from "../flag.ts";
import { watchInterruption } from "../interruption.ts";
import { addKubeFlags, type KubeFlags, withCluster } from "../kube-flags.ts";

interface LogsFlags extends KubeFlags {
  readonly follow?: boolean;
  readonly functions?: boolean;
  readonly tail: number;
}

export function defineLogs(command: Command): void {
  addKubeFlags(command.description("Prints what the gateways of a deployment wrote, each line after its pod's name."))
    .addOption(flag("-f, --follow", "go on until stopped, with pods that come later"))
    .addOption(flag("--functions", "of functions, too"))
    .addOption(flag("--tail <lines>", "lines of each pod from before", { parse: wholeNumber(0), initial: 200 }))
    .addHelpText("after", "\nExample:\n  remoe logs chat --follow --functions")
    .action(printLogs);
}

async function printLogs(name: string, flags: LogsFlags): Promise<void> {
  const { follow = false, functions = false, tail: tailLines } = flags;
  const onLine = (pod: string, line: string): void => void process.stdout.write(`${pod} | ${line}\n`);
  const options = { functions, tailLines, onLine };
  await withCluster(flags, (cluster) =>
    follow ? followLogs(cluster, name, { ...options, signal: watchInterruption() }) : readLogs(cluster, name, options),
  );
}
