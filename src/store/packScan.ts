/** Goes through a pack from its start: what an index can be made from when there is none. */
import { open } from 'node:fs/promises';
import {
  checkPackHeader,
  decodeRecordHeader,
  PACK_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  type RecordLocation,
} from './packFormat.ts';
import { orStoreFailure } from './storeFailure.ts';

/** A record found in a pack, with its data as it lies at rest, unchecked. */
export interface ScannedRecord {
  readonly header: RecordHeader;
  readonly location: RecordLocation;
  readonly data: Uint8Array;
}

/**
 * The whole records of a pack, in order, up to the first that is cut off or is none.
 * @param number of the pack, for the locations
 * @throws STORE_INVALID | STORE_VERSION | STORE_FAILED
 */
export async function* scanPack(
  path: string,
  number: number,
): AsyncGenerator<ScannedRecord, void, undefined> {
  const file = await orStoreFailure('reading a pack', path, () => open(path, 'r'));
  try {
    const readAt = async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = Buffer.allocUnsafe(length);
      const { bytesRead } = await orStoreFailure('reading a pack', path, () =>
        file.read(bytes, 0, length, offset),
      );
      return bytes.subarray(0, bytesRead);
    };
    checkPackHeader(await readAt(0, PACK_HEADER_BYTES), path);
    const { size: fileBytes } = await file.stat();
    for (let offset = PACK_HEADER_BYTES; ; ) {
      const header = decodeRecordHeader(await readAt(offset, RECORD_HEADER_BYTES));
      if (header === undefined) return;
      const dataStart = offset + RECORD_HEADER_BYTES;
      if (dataStart + header.encodedSize > fileBytes) return;
      const data = await readAt(dataStart, header.encodedSize);
      const { encoding, encodedSize, size } = header;
      yield { header, location: { pack: number, offset, encoding, encodedSize, size }, data };
      offset = dataStart + encodedSize;
    }
  } finally {
    await file.close();
  }
}
