/** What files take on disk. */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { orStoreFailure } from './storeFailure.ts';

/** `st_blocks` counts in these, whatever the file system's own blocks are (stat(2)). */
const STAT_BLOCK_BYTES = 512;

/** The bytes that are allocated to a file. */
export function allocatedBytes({ blocks }: Stats): number {
  return blocks * STAT_BLOCK_BYTES;
}

/** `undefined` for a file that was removed since it was listed. @throws STORE_FAILED */
export async function statIfThere(path: string): Promise<Stats | undefined> {
  return await orStoreFailure('measuring a file', path, async () => {
    try {
      return await stat(path);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  });
}
