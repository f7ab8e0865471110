/** Random file trees. */
import fc from 'fast-check';
import { bytesKey, utf8 } from '../../src/bytes.ts';
import { directory, type SyntheticTree } from '../support/syntheticTree.ts';

/** Names that trip somebody: tokens of the grammar, JavaScript's own, not UTF-8, JSON's escapes. */
const ODD_NAMES = [
  ...[')', '(', 'entry', 'node', '__proto__', 'a b', '"', '\\', '\n', 'ü', '😀', '￿'].map(utf8),
  Uint8Array.of(0xff),
  Uint8Array.of(0xc3, 0x28),
];

const arbitraryName = fc.oneof(
  fc.constantFrom(...ODD_NAMES),
  fc
    .uint8Array({ min: 1, minLength: 1, maxLength: 20 })
    .filter((name) => !name.includes(0x2f) && !/^\.\.?$/.test(bytesKey(name))),
);

/** Sizes around those that the renderer treats differently, and around the padding. */
const arbitraryContents = fc
  .record({
    length: fc.oneof(
      { weight: 8, arbitrary: fc.nat(40) },
      { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 140_000 }) },
    ),
    seed: fc.nat(255),
  })
  .map(({ length, seed }) =>
    Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + seed) & 255),
  );

/** A tree of a few levels with a few dozens of nodes at most. */
export const arbitraryTree: fc.Arbitrary<SyntheticTree> = fc.letrec<{ tree: SyntheticTree }>(
  (tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      fc.record({
        type: fc.constant('regular' as const),
        executable: fc.boolean(),
        contents: arbitraryContents,
      }),
      fc.record({
        type: fc.constant('symlink' as const),
        target: fc.uint8Array({ min: 1, minLength: 1, maxLength: 30 }),
      }),
      fc
        .uniqueArray(fc.tuple(arbitraryName, tie('tree')), {
          maxLength: 5,
          selector: ([name]) => bytesKey(name),
        })
        .map((entries) => directory(entries)),
    ),
  }),
).tree;

/** A range of `length` bytes: two fractions of it, in order. */
export const arbitraryFractions: fc.Arbitrary<readonly [number, number]> = fc
  .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([a, b]) => (a < b ? [a, b] : [b, a]));

/** The range of so many bytes that {@link arbitraryFractions} stand for. */
export function rangeOf([from, to]: readonly [number, number], length: number) {
  return { start: Math.floor(from * length), end: Math.ceil(to * length) };
}
