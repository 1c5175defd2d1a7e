import { closeSync, fstatSync, openSync } from "node:fs";
import koffi from "koffi";

const PAGE = 4096;
const PROT_READ = 1;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffffffffffffffffn;
/** Windows of the file that are looked at; each asks the kernel for 64 pages. */
const WINDOWS = 32;
const WINDOW_PAGES = 64;

type Mmap = (address: null, length: number, protection: number, flags: number, fd: number, offset: number) => bigint;
type Mincore = (address: bigint, length: number, resident: Uint8Array) => number;
type Munmap = (address: bigint, length: number) => number;

/**
 * The share of a file that the kernel holds in its page cache, from a sample spread over the file: 0…1. Where the
 * kernel does not tell (not Linux), 1: reading through the cache is then the only choice anyway.
 */
export function residentShare(path: string): number {
  if (process.platform !== "linux") return 1;
  const fd = openSync(path, "r");
  try {
    return sampleResidency(fd, fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}

function sampleResidency(fd: number, size: number): number {
  const libc = koffi.load(null);
  const mmap = libc.func("mmap", "void *", ["void *", "size_t", "int", "int", "int", "int64_t"]) as unknown as Mmap;
  const mincore = libc.func("mincore", "int", ["void *", "size_t", "uint8_t *"]) as unknown as Mincore;
  const munmap = libc.func("munmap", "int", ["void *", "size_t"]) as unknown as Munmap;
  const base = mmap(null, size, PROT_READ, MAP_SHARED, fd, 0);
  if (size === 0 || base === MAP_FAILED) return 1;
  const pages = Math.ceil(size / PAGE);
  const window = Math.min(WINDOW_PAGES, pages);
  const states = new Uint8Array(window);
  let resident = 0;
  for (let i = 0; i < WINDOWS; i++) {
    const first = Math.floor(((pages - window) * i) / WINDOWS);
    if (mincore(base + BigInt(first * PAGE), window * PAGE, states) !== 0) continue;
    resident += states.reduce((sum, state) => sum + (state & 1), 0);
  }
  munmap(base, size);
  return resident / (WINDOWS * window);
}
