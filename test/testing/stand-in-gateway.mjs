/* What a gateway is to a cluster: it answers probes, says how it was started, and ends when asked. */
import { createServer } from "node:http";

const given = process.argv.slice(2);
process.stdout.write(`started as ${given.join(" ")}\n`);
if (given.includes("broken")) {
  process.stderr.write("there is no compute device 'broken'\n");
  process.exit(1);
}
createServer((_request, response) => response.end("{}")).listen(8000, "0.0.0.0");
process.on("SIGTERM", () => process.exit(0));
