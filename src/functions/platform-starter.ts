import type { IncomingMessage, ServerResponse } from "node:http";
import { authorisation, isAuthorised } from "./authorisation.ts";
import type { FunctionStart, StartReport } from "./spec.ts";
import type { Starter } from "./starter.ts";
import { toSerialised } from "./to-serialised.ts";

/**
 * A platform as starter that starts functions when requests come, sends SIGTERM when none do, and knows nothing of Remoe.
 * Whoever knows the secret gets the start report from the function's own server, at `GET /start`; a failure is its last line
 * of output.
 */
export function platformStarter({ secret }: Pick<FunctionStart, "secret">): Starter {
  const expected = authorisation(secret);
  let ready: string | null = null;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    if (!isAuthorised(request, expected)) response.writeHead(401).end();
    else if (ready === null) response.writeHead(503).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(ready);
  };
  return {
    routes: { "GET /start": answer },
    ready(report) {
      ready = JSON.stringify(report);
    },
    failed(error) {
      const report: StartReport = { type: "failed", error: toSerialised(error) };
      process.stderr.write(`${JSON.stringify(report)}\n`);
      process.exit(1);
    },
  };
}
