import { createRandom } from "../../core/random.ts";
import type { Native } from "../../ggml/library.ts";
import { GgmlType, rowBytes, TYPE_TRAITS } from "../../gguf/types.ts";
import { DOMAINS, Domains, domainOf } from "./domains.ts";
import { drawNormals } from "./draw-normals.ts";

/** Elements drawn and quantised together in a large matrix: a whole block of every type, so that rows can be joined of them. */
const SEGMENT_ELEMENTS = 256;

/** Enough that two rows of eight segments or two experts never come out the same. */
const POOL_SEGMENTS = 4096;

/** Of one domain's embeddings at one place in the row. */
const EMBEDDING_VARIANTS = 32;

/** Larger matrices are joined from a pool: drawing and quantising billions of elements one by one takes minutes. */
const MAX_DRAWN_ELEMENTS = 2 ** 18;

const CHUNK_BYTES = 1 * 1024 ** 2;

const NORM_SPREAD = 0.2;

/** Types that ggml quantises only when told how important each column is. */
const NEEDS_IMPORTANCE: ReadonlySet<GgmlType> = new Set([GgmlType.IQ1_S, GgmlType.IQ2_XXS, GgmlType.IQ2_XS]);

/** A matrix to fill, in ggml's order: `rows` rows of `columns` elements. */
export interface SynthMatrix {
  readonly type: GgmlType;
  readonly columns: number;
  readonly rows: number;
  /** Standard deviation of the elements, whose mean is 0. */
  readonly deviation: number;
}

/** Quantised segments of rows, and which of them may stand where. */
interface Pool {
  readonly segments: Buffer;
  /** The index of a segment, drawn anew at every call. */
  readonly pick: (row: number, place: number) => number;
}

/** Draws the weights of a model: the same seed and the same order of calls give the same bytes. */
export class SynthWeights {
  readonly #ggml: Native["ggml"];
  readonly #random: () => number;
  readonly #pools = new Map<string, Buffer>();
  readonly #domains = new Map<number, Domains>();

  constructor(native: Native, seed: number) {
    this.#ggml = native.ggml;
    this.#random = createRandom(seed);
  }

  /** Weights of a normalisation, near 1. */
  norm(width: number): Uint8Array {
    return toBytes(Float32Array.from({ length: width }, () => 1 + NORM_SPREAD * (2 * this.#random() - 1)));
  }

  /** Numbers with mean 0. */
  vector(width: number, deviation: number): Uint8Array {
    return toBytes(this.#normals(width, deviation));
  }

  /** A gate [hidden, experts] that prefers some experts, others for every domain. */
  gate(hidden: number, experts: number): Uint8Array {
    return concatenated(this.#domainsOf(hidden).gateRows(experts));
  }

  /** A matrix in chunks. A chunk is valid until the next one is asked for. */
  *matrix(matrix: SynthMatrix): Iterable<Uint8Array> {
    if (isDrawn(matrix)) {
      yield this.#quantised(matrix, this.#normals(matrix.rows * matrix.columns, matrix.deviation));
    } else {
      const pick = () => Math.floor(this.#random() * POOL_SEGMENTS);
      yield* joined(matrix, { segments: this.#matrixSegments(matrix), pick });
    }
  }

  /** Token embeddings, each leaning to its domain's direction, in chunks like {@link matrix}. */
  *embedding(matrix: SynthMatrix): Iterable<Uint8Array> {
    if (isDrawn(matrix)) {
      const { columns, rows, deviation } = matrix;
      const all = { first: 0, count: columns };
      const embeddingOf = (token: number) => this.#domainsOf(columns).embedding(domainOf(token), all, deviation);
      yield this.#quantised(matrix, concatenated(Array.from({ length: rows }, (_, token) => embeddingOf(token))));
    } else {
      const places = matrix.columns / segmentOf(matrix);
      const variant = () => Math.floor(this.#random() * EMBEDDING_VARIANTS);
      const pick = (token: number, place: number) =>
        (domainOf(token) * places + place) * EMBEDDING_VARIANTS + variant();
      yield* joined(matrix, { segments: this.#embeddingSegments(matrix), pick });
    }
  }

  #matrixSegments(matrix: SynthMatrix): Buffer {
    const { type, deviation } = matrix;
    const elements = segmentOf(matrix);
    const key = JSON.stringify({ type, elements, deviation });
    const segments =
      this.#pools.get(key) ??
      this.#quantised(
        { type, columns: elements, rows: POOL_SEGMENTS },
        this.#normals(POOL_SEGMENTS * elements, deviation),
      );
    this.#pools.set(key, segments);
    return segments;
  }

  /** [domain, place in the row, variant] segments */
  #embeddingSegments(matrix: SynthMatrix): Buffer {
    const count = segmentOf(matrix);
    const domains = this.#domainsOf(matrix.columns);
    const parts: Float32Array[] = [];
    for (let domain = 0; domain < DOMAINS; domain++) {
      for (let first = 0; first < matrix.columns; first += count) {
        for (let variant = 0; variant < EMBEDDING_VARIANTS; variant++) {
          parts.push(domains.embedding(domain, { first, count }, matrix.deviation));
        }
      }
    }
    return this.#quantised({ ...matrix, columns: count, rows: parts.length }, concatenated(parts));
  }

  #domainsOf(hidden: number): Domains {
    const domains = this.#domains.get(hidden) ?? new Domains(this.#random, hidden);
    this.#domains.set(hidden, domains);
    return domains;
  }

  #quantised({ type, columns, rows }: Omit<SynthMatrix, "deviation">, values: Float32Array | Uint8Array): Buffer {
    const bytes = Buffer.alloc(rows * rowBytes(type, columns));
    const importance = NEEDS_IMPORTANCE.has(type) ? new Float32Array(columns).fill(1) : null;
    this.#ggml.ggml_quantize_chunk(type, values, bytes, 0, rows, columns, importance);
    return bytes;
  }

  #normals(count: number, deviation: number): Float32Array {
    return drawNormals(this.#random, count, deviation);
  }
}

function isDrawn({ rows, columns }: SynthMatrix): boolean {
  return rows * columns <= MAX_DRAWN_ELEMENTS;
}

/** Rows joined of a pool's segments, in chunks. */
function* joined(matrix: SynthMatrix, { segments, pick }: Pool): Iterable<Uint8Array> {
  const { type, columns, rows } = matrix;
  const places = columns / segmentOf(matrix);
  const segmentBytes = rowBytes(type, segmentOf(matrix));
  const rowsPerChunk = Math.max(1, Math.floor(CHUNK_BYTES / (places * segmentBytes)));
  const chunk = Buffer.allocUnsafe(rowsPerChunk * places * segmentBytes);
  for (let first = 0; first < rows; first += rowsPerChunk) {
    const end = Math.min(rows, first + rowsPerChunk);
    let at = 0;
    for (let row = first; row < end; row++) {
      for (let place = 0; place < places; place++) {
        const from = pick(row, place) * segmentBytes;
        at += segments.copy(chunk, at, from, from + segmentBytes);
      }
    }
    yield chunk.subarray(0, at);
  }
}

/** The most elements, up to {@link SEGMENT_ELEMENTS}, that are whole blocks and that rows divide into. */
function segmentOf({ type, columns }: SynthMatrix): number {
  const { blockElements } = TYPE_TRAITS[type];
  let elements = blockElements * Math.floor(SEGMENT_ELEMENTS / blockElements);
  while (columns % elements !== 0 && elements > blockElements) elements -= blockElements;
  return elements;
}

function concatenated(parts: readonly Float32Array[]): Uint8Array {
  return Buffer.concat(parts.map(toBytes));
}

function toBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
