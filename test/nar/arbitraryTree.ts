/** Random file trees with the names, targets and contents that NARs may hold. */
import fc from 'fast-check';
import { bytesKey } from '../../src/bytes.ts';
import { directory, type SyntheticTree } from '../support/syntheticTree.ts';

const SLASH = 0x2f;

/** Mostly short, so that prefixes of each other and neighbours in byte order are common. */
const anyName = fc
  .oneof(
    { weight: 8, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 3, min: 1 }) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 255, min: 1 }) },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom(')', '(', 'node', 'type', 'entry', '__proto__', '...', 'é', '\ufffd')
        .map((text) => new TextEncoder().encode(text)),
    },
  )
  .filter((name) => !name.includes(SLASH) && !['.', '..'].includes(bytesKey(name)));

const leaf: fc.Arbitrary<SyntheticTree> = fc.oneof(
  fc.record({
    type: fc.constant('regular' as const),
    executable: fc.boolean(),
    contents: fc.uint8Array({ maxLength: 40 }),
  }),
  fc.record({
    type: fc.constant('symlink' as const),
    target: fc.uint8Array({ minLength: 1, maxLength: 20, min: 1 }),
  }),
);

/** A tree: a file, a symlink, or a directory a few levels deep. */
export const anyTree: fc.Arbitrary<SyntheticTree> = fc.letrec<{ tree: SyntheticTree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc
      .uniqueArray(fc.tuple(anyName, tie('tree')), {
        maxLength: 6,
        selector: ([name]) => bytesKey(name),
      })
      .map((entries) => directory(entries)),
  ),
})).tree;
