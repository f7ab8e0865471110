/** Goes through a pack from its start: what an index can be made from when there is none. */
import { type FileHandle, open } from 'node:fs/promises';
import { EMPTY } from '../bytes.ts';
import {
  checkPackHeader,
  dataOffset,
  decodeRecordHeader,
  endOffset,
  PACK_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  type RecordLocation,
} from './packFormat.ts';
import { orStoreFailure } from './storeFailure.ts';

/** Records are read many at a time: each alone would take two system calls and memory of its own. */
const WINDOW_BYTES = 1024 * 1024;

/** A record found in a pack, with its data as it lies at rest, unchecked; a view of what was read with it. */
export interface ScannedRecord {
  readonly header: RecordHeader;
  readonly location: RecordLocation;
  readonly data: Uint8Array;
}

/**
 * The whole records of a pack, in order, up to the first that is cut off or is none.
 * @param number of the pack, for the locations
 * @param isWanted which of them are read; all by default
 * @throws STORE_INVALID | STORE_VERSION | STORE_FAILED
 */
export async function* scanPack(
  path: string,
  number: number,
  isWanted: (header: RecordHeader) => boolean = () => true,
): AsyncGenerator<ScannedRecord, void, undefined> {
  const file = await orStoreFailure('reading a pack', path, () => open(path, 'r'));
  try {
    const window = { offset: 0, bytes: EMPTY };
    const readAt = async (offset: number, length: number) => {
      const start = offset - window.offset;
      if (start < 0 || start + length > window.bytes.length) {
        window.bytes = await readFrom(file, path, offset, Math.max(length, WINDOW_BYTES));
        window.offset = offset;
      }
      const from = offset - window.offset;
      return window.bytes.subarray(from, from + length);
    };
    checkPackHeader(await readAt(0, PACK_HEADER_BYTES), path);
    const { size: fileBytes } = await file.stat();
    for (let offset = PACK_HEADER_BYTES; ; ) {
      const header = decodeRecordHeader(await readAt(offset, RECORD_HEADER_BYTES));
      if (header === undefined) return;
      const { encoding, encodedSize, size } = header;
      const location = { pack: number, offset, encoding, encodedSize, size };
      if (endOffset(location) > fileBytes) return;
      if (isWanted(header)) {
        yield { header, location, data: await readAt(dataOffset(location), encodedSize) };
      }
      offset = endOffset(location);
    }
  } finally {
    await file.close();
  }
}

async function readFrom(
  file: FileHandle,
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(length);
  const { bytesRead } = await orStoreFailure('reading a pack', path, () =>
    file.read(bytes, 0, length, offset),
  );
  return bytes.subarray(0, bytesRead);
}
