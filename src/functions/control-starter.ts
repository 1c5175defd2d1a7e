import { writeFileSync } from "node:fs";
import { serveControl } from "./control-server.ts";
import type { ControlStart, StartReport } from "./spec.ts";
import type { Starter } from "./starter.ts";
import { toSerialised } from "./to-serialised.ts";

/** A gateway somewhere else as starter: it connects to the control server, and stays connected while it needs the function. */
export async function controlStarter({ listen, graceMs, failureFile }: ControlStart, secret: string): Promise<Starter> {
  const onAlone = (): void => {
    writeFileSync(failureFile, `no gateway has been connected for ${graceMs} ms`);
    process.exit(0);
  };
  const server = await serveControl({ listen, secret, graceMs, onAlone });
  return {
    ready: (report) => server.report(report),
    failed(error) {
      const report: StartReport = { type: "failed", error: toSerialised(error) };
      writeFileSync(failureFile, JSON.stringify(report));
      process.exit(1);
    },
  };
}
