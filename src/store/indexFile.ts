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
/** Behind two descriptions of 48 bytes each: the last page in use, and the transaction that wrote this. */
const LAST_PAGE_OFFSET = PAGE_SIZE_OFFSET + 2 * 48;
const TRANSACTION_OFFSET = LAST_PAGE_OFFSET + 8;
const META_BYTES = TRANSACTION_OFFSET + 8;
/** Pages in use by that count whose end of the file may be missing, see {@link checkLength}. */
const UNWRITTEN_PAGES = 16;

/**
 * Passes a file that is an LMDB file, or empty and about to become one.
 * @param readOnly who only reads cannot make an empty one anything
 * @throws STORE_INVALID | STORE_VERSION | STORE_FAILED
 */
export async function checkIndexFile(path: string, readOnly: boolean): Promise<void> {
  await orStoreFailure('opening the index', path, async () => {
    const file = await open(path, 'r');
    try {
      const metaAt = async (offset: number) => {
        const bytes = Buffer.alloc(META_BYTES);
        const { bytesRead } = await file.read(bytes, 0, META_BYTES, offset);
        return bytes.subarray(0, bytesRead);
      };
      const first = await metaAt(0);
      if (first.length === 0) {
        if (readOnly) throw unfinishedStore(path);
        return;
      }
      checkMeta(first, path);
      const pageBytes = first.readUInt32LE(PAGE_SIZE_OFFSET);
      const second = await metaAt(pageBytes);
      checkMeta(second, path);
      // the length last, since the file may grow meanwhile
      const { size } = await file.stat();
      checkLength(size, pageBytes, lastPage(first, second), path);
    } finally {
      await file.close();
    }
  });
}

/** The error of a store that is not made yet, or was never finished. */
export function unfinishedStore(path: string): NarthexError {
  return new NarthexError('STORE_FAILED', `there is no store yet, it is only being made: ${path}`, {
    path,
    systemCode: 'ENOENT',
  });
}

/** The last page in use, by the meta page of the last transaction. */
function lastPage(...metas: readonly Buffer[]): bigint {
  const [newest] = metas.toSorted((a, b) =>
    a.readBigUInt64LE(TRANSACTION_OFFSET) < b.readBigUInt64LE(TRANSACTION_OFFSET) ? 1 : -1,
  );
  return newest?.readBigUInt64LE(LAST_PAGE_OFFSET) ?? 0n;
}

/**
 * Pages beyond the end of the file are mapped all the same, and reading one ends the process. Pages
 * that were taken and given back in one transaction may never have been written, and lie at the end.
 */
function checkLength(size: number, pageBytes: number, last: bigint, path: string): void {
  const expected = Number(last + 1n) * pageBytes;
  if (size + UNWRITTEN_PAGES * pageBytes >= expected) return;
  throw new NarthexError('STORE_INVALID', `the index is cut off: ${path}`, {
    path,
    expected,
    actual: size,
  });
}

function checkMeta(page: Buffer, path: string): void {
  if (page.length < META_BYTES || page.readUInt32LE(PAGE_HEADER_BYTES) !== MAGIC) {
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
