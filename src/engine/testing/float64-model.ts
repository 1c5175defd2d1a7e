import { fileSource } from "../../gguf/byte-source.ts";
import type { GgufFile } from "../../gguf/read.ts";
import type { HyperParameters } from "../../model/architecture.ts";
import { readTransformer } from "../../model/registry.ts";
import { requireTensor } from "../../model/require-tensor.ts";

/** Of every test model. */
const EPSILON = 1e-6;

type Vector = Float64Array;
type Matrix = readonly Vector[];

/**
 * Qwen3-MoE written straight from its formulas in double precision, for F32 files: slow, plain, and sharing nothing
 * with the engine but the reading of the file's header. A matrix is a list of rows, one for each output.
 */
export class Float64Model {
  readonly hyper: HyperParameters;
  readonly #file: GgufFile;
  readonly #matrices = new Map<string, Matrix>();

  constructor(file: GgufFile) {
    this.hyper = readTransformer(file).hyper;
    this.#file = file;
  }

  /** Of the token after the sequence: [vocabulary] */
  logits(tokens: readonly number[]): Vector {
    const embedding = this.#matrix("token_embd");
    let states = tokens.map((token) => embedding[token] as Vector);
    for (let layer = 0; layer < this.hyper.layers; layer++) states = this.#layer(layer, states);
    const last = this.#norm("output_norm", states.at(-1) as Vector);
    return multiply(this.#matrix("output"), last);
  }

  #layer(layer: number, states: readonly Vector[]): Vector[] {
    const attended = this.#attention(`blk.${layer}`, states);
    return attended.map((attention, t) => {
      const h = add(states[t] as Vector, attention);
      return add(h, this.#experts(`blk.${layer}`, this.#norm(`blk.${layer}.ffn_norm`, h)));
    });
  }

  #attention(name: string, states: readonly Vector[]): Vector[] {
    const { heads, kvHeads, keyWidth: headWidth } = this.hyper;
    const normed = states.map((x) => this.#norm(`${name}.attn_norm`, x));
    const headsOf = (matrix: string, count: number): Vector[][] =>
      normed.map((x) => split(multiply(this.#matrix(`${name}.${matrix}`), x), count));
    const positioned = (projected: Vector[][], norm: string): Vector[][] =>
      projected.map((own, position) =>
        own.map((head) => this.#rotate(this.#norm(`${name}.${norm}`, head), position).map(roundToHalf)),
      );
    const queries = positioned(headsOf("attn_q", heads), "attn_q_norm");
    const keys = positioned(headsOf("attn_k", kvHeads), "attn_k_norm");
    const values = headsOf("attn_v", kvHeads).map((own) => own.map((head) => head.map(roundToHalf)));
    return queries.map((own, t) => {
      const mixed = own.map((query, head) => {
        const group = Math.floor(head / (heads / kvHeads));
        const seen = keys.slice(0, t + 1);
        const scores = softmax(seen.map((key) => dot(query, key[group] as Vector) / Math.sqrt(headWidth)));
        return weightedSum(
          scores,
          values.slice(0, t + 1).map((value) => value[group] as Vector),
        );
      });
      return multiply(this.#matrix(`${name}.attn_output`), join(mixed));
    });
  }

  /** Rotary embedding of (x[i], x[i + d/2]) by position · base^(−2i/d). */
  #rotate(x: Vector, position: number): Vector {
    const half = x.length / 2;
    const base = this.#file.metadata.number("qwen3moe.rope.freq_base");
    return x.map((value, i) => {
      const pair = i % half;
      const angle = position * base ** ((-2 * pair) / x.length);
      const other = x[i < half ? i + half : pair] as number;
      return value * Math.cos(angle) + (i < half ? -other : other) * Math.sin(angle);
    });
  }

  #experts(name: string, x: Vector): Vector {
    const probabilities = softmax([...multiply(this.#matrix(`${name}.ffn_gate_inp`), x)]);
    const chosen = [...probabilities.keys()]
      .sort((a, b) => (probabilities[b] as number) - (probabilities[a] as number))
      .slice(0, this.hyper.expertsPerToken);
    const total = chosen.reduce((sum, expert) => sum + (probabilities[expert] as number), 0);
    const weights = chosen.map((expert) => (probabilities[expert] as number) / total);
    return weightedSum(
      weights,
      chosen.map((expert) => this.#expert(name, expert, x)),
    );
  }

  #expert(name: string, expert: number, x: Vector): Vector {
    const matrix = (part: string): Matrix => this.#matrix(`${name}.${part}`, expert);
    const up = multiply(matrix("ffn_up_exps"), x);
    const inner = multiply(matrix("ffn_gate_exps"), x).map(
      (gate, i) => (gate / (1 + Math.exp(-gate))) * (up[i] as number),
    );
    return multiply(matrix("ffn_down_exps"), inner);
  }

  #norm(name: string, x: Vector): Vector {
    const [scale] = this.#matrix(name) as [Vector];
    const rms = Math.sqrt(dot(x, x) / x.length + EPSILON);
    return x.map((value, i) => (value / rms) * (scale[i] as number));
  }

  /** A tensor of the file by rows; of a stack, one expert's. */
  #matrix(name: string, expert = 0): Matrix {
    const key = `${name} ${expert}`;
    const matrix = this.#matrices.get(key) ?? this.#readMatrix(name, expert);
    this.#matrices.set(key, matrix);
    return matrix;
  }

  #readMatrix(name: string, expert: number): Matrix {
    const { path, offset, shape } = requireTensor(this.#file, `${name}.weight`);
    const [columns = 0, rows = 1] = shape;
    const bytes = 4 * rows * columns;
    const { buffer, byteOffset } = fileSource(path).read(offset + expert * bytes, bytes);
    const view = new DataView(buffer, byteOffset, bytes);
    return Array.from({ length: rows }, (_, row) =>
      Float64Array.from({ length: columns }, (_, i) => view.getFloat32(4 * (row * columns + i), true)),
    );
  }
}

function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** To the 11 significant bits of half precision. */
function roundToHalf(x: number): number {
  if (x === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 10);
  return Math.round(x / unit) * unit;
}

function multiply(matrix: Matrix, x: Vector): Vector {
  const result = new Float64Array(matrix.length);
  for (const [i, row] of matrix.entries()) result[i] = dot(row, x);
  return result;
}

function add(a: Vector, b: Vector): Vector {
  return a.map((value, i) => value + (b[i] as number));
}

function softmax(scores: readonly number[]): number[] {
  const maximum = Math.max(...scores);
  const exponentials = scores.map((score) => Math.exp(score - maximum));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((exponential) => exponential / sum);
}

function weightedSum(weights: readonly number[], vectors: readonly Vector[]): Vector {
  const sum = new Float64Array(vectors[0]?.length ?? 0);
  for (const [j, vector] of vectors.entries()) {
    const weight = weights[j] as number;
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + weight * (vector[i] as number);
  }
  return sum;
}

function split(x: Vector, parts: number): Vector[] {
  const width = x.length / parts;
  return Array.from({ length: parts }, (_, i) => x.slice(i * width, (i + 1) * width));
}

function join(parts: readonly Vector[]): Vector {
  return Float64Array.from(parts.flatMap((part) => [...part]));
}
