const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** Bytes with three significant digits in binary units: `22.1 MiB`. */
export function formatBytes(bytes: number): string {
  const exponent = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  const value = bytes / 1024 ** exponent;
  return `${exponent === 0 ? value : value.toPrecision(value < 1000 ? 3 : 4)} ${UNITS[exponent]}`;
}

/** `0.42 ms`, `87 ms`, `3.14 s` */
export function formatMs(milliseconds: number): string {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
  return `${milliseconds < 10 ? milliseconds.toFixed(2) : Math.round(milliseconds)} ms`;
}

/** `12345` → `12,345` */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}
