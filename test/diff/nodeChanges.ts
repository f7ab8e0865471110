/** Changes as tests write them, and a comparison of whole file lists that knows nothing of digests. */
import { bytesKey, displayBytes, equalBytes } from '../../src/bytes.ts';
import type { NodeChange } from '../../src/diff/nodeChange.ts';
import type { SyntheticTree } from '../support/syntheticTree.ts';

/** A change as `type path`, or `type path = other path`; the root's path is empty. */
export function changeText(change: NodeChange): string {
  const sameAs = 'sameAs' in change ? change.sameAs : undefined;
  const tail = sameAs === undefined ? '' : ` = ${displayBytes(sameAs)}`;
  return `${change.type} ${displayBytes(change.path)}${tail}`;
}

/** Path and type of a change. */
type PlainChange = readonly [path: string, type: string];

/** All nodes of a tree by path, as keys of bytes; the root under the empty one. */
function listTree(tree: SyntheticTree): Map<string, SyntheticTree> {
  const list = new Map<string, SyntheticTree>();
  const add = (path: string, node: SyntheticTree) => {
    list.set(path, node);
    if (node.type !== 'directory') return;
    for (const [name, child] of node.entries) {
      add(path === '' ? bytesKey(name) : `${path}/${bytesKey(name)}`, child);
    }
  };
  add('', tree);
  return list;
}

/** Which change there is from one node to another, apart from what is below them. */
function changeType(a: SyntheticTree | undefined, b: SyntheticTree | undefined) {
  if (a === undefined) return 'added';
  if (b === undefined) return 'removed';
  if (a.type === 'regular' && b.type === 'regular') {
    if (!equalBytes(a.contents, b.contents)) return 'changed';
    return a.executable === b.executable ? undefined : 'mode';
  }
  if (a.type === 'symlink' && b.type === 'symlink') {
    return equalBytes(a.target, b.target) ? undefined : 'target';
  }
  return a.type === b.type ? undefined : 'type';
}

/** The changes between two trees by comparing the lists of all their nodes; sorted. */
export function compareLists(a: SyntheticTree, b: SyntheticTree): PlainChange[] {
  const [listA, listB] = [listTree(a), listTree(b)];
  const changes: PlainChange[] = [];
  for (const path of new Set([...listA.keys(), ...listB.keys()])) {
    const type = changeType(listA.get(path), listB.get(path));
    if (type !== undefined) changes.push([path, type]);
  }
  return changes.sort(byPath);
}

/** Changes with what `sameAs` stands for written out; sorted. */
export function writeOut(changes: readonly NodeChange[]): PlainChange[] {
  const all: PlainChange[] = [];
  for (const change of changes) {
    const path = bytesKey(change.path);
    if (change.type !== 'repeated') all.push([path, change.type]);
    if (!('sameAs' in change) || change.sameAs === undefined) continue;
    const other = `${bytesKey(change.sameAs)}/`;
    for (const [below, type] of all.filter(([known]) => known.startsWith(other))) {
      all.push([`${path}/${below.slice(other.length)}`, type]);
    }
  }
  return all.sort(byPath);
}

function byPath([a]: PlainChange, [b]: PlainChange): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
