import { createPlatform } from "../instance-pool.ts";
import { createLocalLauncher } from "../local/local-launcher.ts";
import { standInSpec } from "./stand-in-spec.ts";

/** A process that a test kills: it starts two functions, expects a third, prints the two's process ids and waits for its end. */
const [program = "", tempFolder = ""] = process.argv.slice(2);
const launcher = createLocalLauncher({ secret: "secret", tempFolder, command: [process.execPath, program] });
const platform = createPlatform(launcher);
platform.expectStart();
const leases = [await platform.acquire(standInSpec()), await platform.acquire(standInSpec())];
process.stdout.write(`${JSON.stringify(leases.map(({ pid }) => pid))}\n`);
