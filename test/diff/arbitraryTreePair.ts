/** Random pairs of trees of which the second is the first, changed here and there. */
import fc from 'fast-check';
import { equalBytes } from '../../src/bytes.ts';
import { arbitraryTree } from '../render/arbitraryTree.ts';
import { directory, file, type SyntheticTree, symlink } from '../support/syntheticTree.ts';

/** A change at a place, which is reached by taking one entry out of each directory. */
interface Mutation {
  readonly way: readonly number[];
  readonly kind: 'replace' | 'remove' | 'add' | 'touch';
  /** What is put there. */
  readonly tree: SyntheticTree;
}

/** Changes as little of a node as can be changed. */
function touch(tree: SyntheticTree): SyntheticTree {
  switch (tree.type) {
    case 'regular':
      return { ...tree, executable: !tree.executable };
    case 'symlink':
      return symlink(Buffer.concat([tree.target, Buffer.from('x')]));
    case 'directory':
      return withEntry(tree, Buffer.from('touched'), file('t'));
  }
}

function withEntry(
  tree: Extract<SyntheticTree, { type: 'directory' }>,
  name: Uint8Array,
  child: SyntheticTree | undefined,
): SyntheticTree {
  const others = tree.entries.filter(([other]) => !equalBytes(other, name));
  return directory(child === undefined ? others : [...others, [name, child]]);
}

function mutate(tree: SyntheticTree, mutation: Mutation, depth = 0): SyntheticTree {
  const { way, kind } = mutation;
  const step = way[depth];
  if (tree.type !== 'directory' || step === undefined || tree.entries.length === 0) {
    if (kind === 'touch') return touch(tree);
    if (kind === 'add' && tree.type === 'directory') {
      return withEntry(tree, Buffer.from('added'), mutation.tree);
    }
    return mutation.tree;
  }
  const [name, child] = tree.entries[step % tree.entries.length] ?? [];
  if (name === undefined || child === undefined) return tree;
  const isLast = way[depth + 1] === undefined || child.type !== 'directory';
  const changed = isLast && kind === 'remove' ? undefined : mutate(child, mutation, depth + 1);
  return withEntry(tree, name, changed);
}

const arbitraryMutation: fc.Arbitrary<Mutation> = fc.record({
  way: fc.array(fc.nat(4), { minLength: 1, maxLength: 4 }),
  kind: fc.constantFrom('replace', 'remove', 'add', 'touch'),
  tree: arbitraryTree,
});

/** Two trees. Some stand in each pair several times, so that directories meet again. */
export const arbitraryTreePair: fc.Arbitrary<readonly [SyntheticTree, SyntheticTree]> = fc
  .record({
    tree: arbitraryTree,
    mutations: fc.array(arbitraryMutation, { maxLength: 4 }),
    other: fc.option(arbitraryTree, { nil: undefined, freq: 4 }),
    copies: fc.constantFrom(1, 1, 3),
    late: fc.array(arbitraryMutation, { maxLength: 2 }),
  })
  .map(({ tree, mutations, other, copies, late }) => {
    const changed = other ?? mutations.reduce((now, mutation) => mutate(now, mutation), tree);
    if (copies === 1) return [tree, changed] as const;
    const repeat = (one: SyntheticTree) => directory({ p: one, q: one, r: directory({ s: one }) });
    return [
      repeat(tree),
      late.reduce((now, mutation) => mutate(now, mutation), repeat(changed)),
    ] as const;
  });
