/**
 * A look at the index's file before LMDB maps it: LMDB's binding ends the process on a file that is
 * none of its own, instead of saying so.
 *
 * An LMDB file begins with two meta pages, each a page header and then the magic number, the
 * version of the format, and more (LMDB: `mdb.c`, `MDB_meta`).
 */
import { open } from 'node:fs/promises';
import { NarthexError } from '../errors.ts';
import { orStoreFailure } from './storeFailure.ts';

const PAGE_HEADER_BYTES = 24;
const MAGIC = 0xbeef_c0de;
/** The version of LMDB's format that the binding writes. */
const FORMAT_VERSION = 2;
/** Where the first meta page has the page size. */
const PAGE_SIZE_OFFSET = PAGE_HEADER_BYTES + 24;
const FIRST_BYTES = PAGE_SIZE_OFFSET + 4;

/**
 * Passes a file that is an LMDB file, or empty and about to become one.
 * @throws STORE_INVALID | STORE_VERSION | STORE_FAILED
 */
export async function checkIndexFile(path: string, mayBeEmpty: boolean): Promise<void> {
  await orStoreFailure('opening the index', path, async () => {
    const file = await open(path, 'r');
    try {
      const metaAt = async (offset: number) => {
        const bytes = Buffer.alloc(FIRST_BYTES);
        const { bytesRead } = await file.read(bytes, 0, FIRST_BYTES, offset);
        return bytes.subarray(0, bytesRead);
      };
      const first = await metaAt(0);
      if (first.length === 0 && mayBeEmpty) return;
      checkMeta(first, path);
      checkMeta(await metaAt(first.readUInt32LE(PAGE_SIZE_OFFSET)), path);
    } finally {
      await file.close();
    }
  });
}

function checkMeta(page: Buffer, path: string): void {
  if (page.length < FIRST_BYTES || page.readUInt32LE(PAGE_HEADER_BYTES) !== MAGIC) {
    throw new NarthexError('STORE_INVALID', `not the index of a store, or damaged: ${path}`, {
      path,
    });
  }
  const version = page.readUInt32LE(PAGE_HEADER_BYTES + 4);
  if (version !== FORMAT_VERSION) {
    throw new NarthexError(
      'STORE_VERSION',
      `the index is an LMDB file of version ${version}, not ${FORMAT_VERSION}: ${path}`,
      { path, expected: FORMAT_VERSION, actual: version },
    );
  }
}
