import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Kind, KubernetesObject } from "../../../src/kubernetes/kinds.ts";
import { KNATIVE_SERVICE } from "../../../src/kubernetes/knative-service.ts";

type Schema = Readonly<Record<string, unknown>>;

export interface CustomResourceDefinition extends KubernetesObject {
  readonly spec?: unknown;
}

export const CUSTOM_RESOURCE_DEFINITION: Kind<CustomResourceDefinition> = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
};

/**
 * Knative's kind of Services for an API server that has none. The schema is Knative's own, as the declarations of its
 * official types have it. Without a status of its own, so that a test may write it as any other field.
 */
export function knativeDefinition(): CustomResourceDefinition {
  const [group = "", version = ""] = KNATIVE_SERVICE.apiVersion.split("/");
  const program = createRequire(import.meta.url).resolve(
    `@kubernetes-models/knative/${KNATIVE_SERVICE.apiVersion}/Service`,
  );
  const openAPIV3Schema = readSchema(readFileSync(program.replace(/\.js$/, ".d.ts"), "utf8"));
  return {
    ...CUSTOM_RESOURCE_DEFINITION,
    metadata: { name: `services.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural: "services", singular: "service", kind: KNATIVE_SERVICE.kind, listKind: "ServiceList" },
      versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
}

/** @param declarations whose interface `IService` is the schema */
function readSchema(declarations: string): Schema {
  const code = declarations.replaceAll(/\/\*[\s\S]*?\*\//g, "");
  const body = code.slice(code.indexOf("{", code.indexOf("interface IService")));
  return new SchemaReader(body.match(/"[^"]*"|\w+|\[key: string\]|\S/g) ?? []).readType();
}

/** Reads types of TypeScript, as far as declarations made from schemas have them. */
class SchemaReader {
  readonly #tokens: readonly string[];
  #position = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  /** `A`, or `number | string` */
  readType(): Schema {
    const schema = this.#readOne();
    if (this.#tokens[this.#position] !== "|") return schema;
    this.#position += 1;
    this.#readOne();
    return { "x-kubernetes-int-or-string": true };
  }

  #readOne(): Schema {
    const token = this.#next();
    if (token === "{") return this.#readObject();
    if (token === "Array") return this.#readArray();
    if (token.startsWith('"')) return { type: "string", enum: [JSON.parse(token)] };
    return { type: token === "IObjectMeta" ? "object" : token };
  }

  #readArray(): Schema {
    this.#next(); // <
    const items = this.readType();
    this.#next(); // >
    return { type: "array", items };
  }

  #readObject(): Schema {
    const properties: Record<string, Schema> = {};
    const required: string[] = [];
    for (let token = this.#next(); token !== "}"; token = this.#next()) {
      const isOptional = this.#next() === "?";
      if (isOptional) this.#next(); // :
      const schema = this.readType();
      this.#next(); // ;
      if (token.startsWith("[")) return this.#readMap(schema);
      const name = JSON.parse(token) as string;
      properties[name] = schema;
      if (!isOptional) required.push(name);
    }
    if (Object.keys(properties).length === 0) return { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    return { type: "object", properties, ...(required.length > 0 && { required }) };
  }

  #readMap(additionalProperties: Schema): Schema {
    this.#next(); // }
    return { type: "object", additionalProperties };
  }

  #next(): string {
    const token = this.#tokens[this.#position] ?? "";
    this.#position += 1;
    return token;
  }
}
