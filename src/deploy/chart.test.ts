import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { renderChart } from "./chart.ts";
import { sampleOptions } from "./testing/sample-options.ts";

const options = sampleOptions({ replicas: 2, files: { "plan.json": '{"text": "{{ .Values.image }}"}' } });
const chart = renderChart(options, "1.2.3");
const templates = [...chart].filter(([file]) => file.startsWith("templates/"));

describe("a chart", () => {
  it("has a template for each object", () => {
    expect(templates.map(([file]) => file)).toEqual([
      "templates/service-account-remoe.yaml",
      "templates/service-account-remoe-functions.yaml",
      "templates/role-remoe.yaml",
      "templates/role-binding-remoe.yaml",
      "templates/config-map-remoe.yaml",
      "templates/network-policy-remoe-functions.yaml",
      "templates/network-policy-remoe-gateway.yaml",
      "templates/service-remoe.yaml",
      "templates/pod-disruption-budget-remoe.yaml",
      "templates/deployment-remoe.yaml",
      "templates/secret-remoe.yaml",
    ]);
  });

  it("uses nothing but what Go's templates have themselves", () => {
    const actions = templates.flatMap(([, text]) =>
      [...text.matchAll(/\{\{(.*?)\}\}/g)].map(([, action]) => action?.trim()),
    );
    const allowed =
      /^(end|"\{\{"|(if|if not|range) \.Values\.\w+|\.(Values|Release)\.\w+|printf "%q" (\.|\.(Values|Release)\.\w+|\((or|print) [\w. ]+\)))$/;
    expect(actions.filter((action) => !allowed.test(action ?? ""))).toEqual([]);
  });

  it("has no stand-in left", () => {
    for (const [, text] of templates) expect(text).not.toMatch(/chart-|98765400/);
  });

  it("takes text of files for no template", () => {
    expect(chart.get("templates/config-map-remoe.yaml")).toContain('{"text": "{{ "{{" }} .Values.image }}"}');
  });

  it("has the options as its values, and no keys", () => {
    expect(parse(chart.get("values.yaml") ?? "")).toEqual({
      image: "registry.example/remoe:1",
      imagePullPolicy: "IfNotPresent",
      replicas: 2,
      disruptionBudget: true,
      memoryMb: 1024,
      milliCpus: 500,
      serviceType: "ClusterIP",
      model: "/models/tiny.gguf",
      serveArguments: ["--parallel", "2"],
      existingSecret: "",
      functionSecret: "",
      apiKey: "",
      modelToken: "",
    });
    expect(parse(chart.get("Chart.yaml") ?? "")).toMatchObject({ name: "chat", version: "1.2.3", apiVersion: "v2" });
  });
});
