/** Reading what services give out piece by piece. */
import { concatBytes } from '../../src/bytes.ts';

/** All items. */
export async function itemsOf<T>(source: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(source);
}

/** All bytes. */
export async function bytesOf(source: AsyncIterable<Uint8Array> | undefined): Promise<Uint8Array> {
  return source === undefined ? Uint8Array.of() : concatBytes(await itemsOf(source));
}
