import { type FileHandle, open, rename, rm, writeFile } from "node:fs/promises";

/**
 * Puts a file with new content in a file's place, or creates it: at any moment the path has all of the old content or
 * all of the new. It can be read by its owner only.
 * @returns the new file, open for appending and reading
 */
export async function replaceFile(
  path: string,
  content: Iterable<Buffer> | AsyncIterable<Buffer>,
): Promise<FileHandle> {
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const file = await open(draft, "ax+", 0o600);
  try {
    await writeFile(file, content);
    await file.sync();
    await rename(draft, path);
    return file;
  } catch (error) {
    await file.close();
    await rm(draft, { force: true });
    throw error;
  }
}
