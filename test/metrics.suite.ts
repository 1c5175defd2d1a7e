import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { createTestGateway } from "../src/gateway/testing/create-test-gateway.ts";

const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
const NEEDS = "promtool is not installed: install Prometheus (Debian: apt-get install prometheus) to run this suite";

it("/metrics is what Prometheus' own linter accepts", async ({ skip }) => {
  skip(!hasPromtool, NEEDS);
  const { gateway } = createTestGateway();
  const chat = { url: "/v1/chat/completions", method: "POST" } as const;
  const messages = [{ role: "user", content: "hi" }];
  await gateway.server.inject({ ...chat, payload: { messages } });
  await gateway.server.inject({ ...chat, payload: { messages, n: 2 } });
  const { body } = await gateway.server.inject("/metrics");
  expect(body).toContain('remoe_requests_total{route="/v1/chat/completions",status="200"} 1');

  const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: body, encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
});
