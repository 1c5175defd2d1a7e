import { standInSpec } from "../../testing/stand-in-spec.ts";
import { createDockerLauncher } from "../docker-launcher.ts";

/** A process that a test kills: it starts two functions, prints their process ids and waits for its end. */
const [program = "", tempFolder = ""] = process.argv.slice(2);
const launcher = await createDockerLauncher({ secret: "secret", program, tempFolder });
const launched = await Promise.all(["experts.1", "experts.2"].map((id) => launcher.launch(standInSpec(), id)));
process.stdout.write(`${JSON.stringify(launched.map(({ pid }) => pid))}\n`);
