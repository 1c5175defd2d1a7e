import { afterEach, describe, expect, it } from "vitest";
import { serveExperts } from "../wire/serve-experts.ts";
import { createFakeHandler } from "../wire/testing/fake-handler.ts";
import { authorisation } from "./authorisation.ts";
import { serveMain } from "./main-server.ts";
import { platformStarter } from "./platform-starter.ts";
import type { ReadyReport } from "./spec.ts";

const SECRET = "secret";
const LISTEN = "http://127.0.0.1:0";
const REPORT: ReadyReport = {
  type: "ready",
  protocol: 2,
  endpoint: "http://0.0.0.0:8080",
  weightBytes: 1,
  coldStart: { processMs: 1, librariesMs: 2, weightsMs: 3 },
};

let end = async (): Promise<void> => {};
afterEach(() => end());

describe.each([
  ["expert", (routes: object) => serveExperts(createFakeHandler(), LISTEN, { secret: SECRET, routes: { ...routes } })],
  [
    "main",
    (routes: object) =>
      serveMain(
        { generate: async () => {}, finish() {}, provide() {} },
        { listen: LISTEN, secret: SECRET, parallel: 1, routes: { ...routes } },
      ),
  ],
])("the server of a platform's %s function", (_role, serve) => {
  const starter = platformStarter({ secret: SECRET });
  const ask = (endpoint: string, secret: string): Promise<Response> =>
    fetch(`${endpoint}/start`, { headers: { authorization: authorisation(secret), connection: "close" } });

  it("tells the start report to who knows the secret, as soon as there is one", async () => {
    const { endpoint, drain } = await serve(starter.routes ?? {});
    end = drain;
    expect((await ask(endpoint, SECRET)).status).toBe(503);
    starter.ready(REPORT);
    expect((await ask(endpoint, "guess")).status).toBe(401);
    const answer = await ask(endpoint, SECRET);
    expect(await answer.json()).toEqual(REPORT);
  });

  it("says without it that it serves", async () => {
    const { endpoint, drain } = await serve(starter.routes ?? {});
    end = drain;
    expect((await fetch(`${endpoint}/readyz`, { headers: { connection: "close" } })).status).toBe(200);
  });
});
