/** Cutting bytes into pieces, for what must not depend on where they are cut. */
import fc from 'fast-check';

/** How long the pieces are, over and over. */
export type Cut = readonly number[];

/** Any way to cut, mostly with pieces of a few bytes. */
export const anyCut: fc.Arbitrary<Cut> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 40 }) },
    fc.integer({ min: 1, max: 70_000 }),
  ),
  { minLength: 1, maxLength: 6 },
);

/** Cuts bytes into pieces, each of memory of its own that is overwritten after its use. */
export function* cutBytes(bytes: Uint8Array, lengths: Cut): Generator<Uint8Array, void, undefined> {
  let offset = 0;
  for (let i = 0; offset < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1;
    const piece = new Uint8Array(bytes.subarray(offset, offset + length)); // a Buffer's slice is a view
    yield piece;
    piece.fill(0xaa); // whoever kept a view of it sees that now
    offset += length;
  }
}

/** The same as an upstream gives them: the pieces belong to whoever reads them. */
export async function* cutStream(
  bytes: Uint8Array,
  lengths: Cut = [65_536],
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const piece of cutBytes(bytes, lengths)) yield new Uint8Array(piece);
}
