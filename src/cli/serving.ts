import { once } from "node:events";
import { VERSION } from "../core/version.ts";
import { createGateway, type GatewayOptions } from "../gateway/gateway.ts";
import type { System } from "./system.ts";

export interface ServingOptions extends Omit<GatewayOptions, "pipelines" | "platforms" | "version"> {
  /** How long running requests may take to end once the process was asked to stop. */
  readonly drainMs: number;
}

/**
 * Serves a started system over HTTP until the signal aborts. The system is left running.
 * @throws LISTEN_FAILED, LISTEN_UNPROTECTED
 */
export async function serveUntilAborted(system: System, options: ServingOptions, signal: AbortSignal): Promise<void> {
  const { drainMs, ...gatewayOptions } = options;
  const { pipeline, platform } = system;
  const gateway = createGateway({ ...gatewayOptions, pipelines: [pipeline], platforms: [platform], version: VERSION });
  const { url } = await gateway.listen();
  process.stderr.write(greeting(system, url, options));
  if (!signal.aborted) await once(signal, "abort");
  process.stderr.write("stopping; a second Ctrl-C stops at once\n");
  await gateway.stop(drainMs);
}

function greeting({ model, pipeline }: System, url: string, { apiKey }: ServingOptions): string {
  const request =
    pipeline.model.template === null
      ? { path: "completions", body: { prompt: "Once upon a time", max_tokens: 32 } }
      : { path: "chat/completions", body: { messages: [{ role: "user", content: "Hello" }], max_tokens: 32 } };
  const key = apiKey === undefined || apiKey === null ? "" : ` -H "authorization: Bearer $REMOE_API_KEY"`;
  return (
    `serving ${model.id} at ${url}, context ${model.contextLength} tokens; Ctrl-C stops\n` +
    `try: curl ${url}/v1/${request.path} -H 'content-type: application/json'${key} -d '${JSON.stringify(request.body)}'\n`
  );
}
