/** Differences for people: a letter, the size on either side, and where; unified diffs below. */
import { displayBytes, utf8 } from '../bytes.ts';
import type { Node } from '../castore/node.ts';
import type { ClosureChange, ClosureDiff } from '../diff/closureDiff.ts';
import type { NodeChange } from '../diff/nodeChange.ts';
import type { Sides } from '../diff/sides.ts';
import type { TextDiff } from '../diff/textDiff.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { counted, formatBytes } from './format.ts';

/** What the letters of files mean, for the help. */
export const NODE_LETTERS_HELP =
  'A added, D removed, M other contents, X executable or not, T other type,\n' +
  '          L other target, = as the directories at another place';
/** What the letters of store paths mean, for the help. */
export const CLOSURE_LETTERS_HELP =
  'A added, D removed, M other contents, B the same above other references,\n' +
  '          R replaced by another store path of the package';

const NODE_LETTERS: Readonly<Record<NodeChange['type'], string>> = {
  added: 'A',
  removed: 'D',
  changed: 'M',
  mode: 'X',
  type: 'T',
  target: 'L',
  repeated: '=',
};

/** Wide enough for `symlink` and for all that `formatBytes` writes. */
const SIZE_WIDTH = 7;

/** A change with the unified diff that was asked for. */
export interface ToldChange {
  readonly change: NodeChange;
  readonly text: TextDiff | undefined;
}

/** How changes of nodes are shown. */
export interface NodeChangeFormat {
  /** What stands before the paths in unified diffs. */
  readonly folders: Sides<string>;
  readonly indent: string;
  /** Show control characters, which could move the cursor, as `\xNN` in unified diffs, too. */
  readonly forTerminal: boolean;
}

/** A change between two nodes: one line, and the unified diff if there is one. */
export function nodeChangeText(told: ToldChange, format: NodeChangeFormat): string {
  const { change, text } = told;
  const [a, b] = sidesOf(change);
  const path = displayBytes(change.path) || '.';
  const shown = (b ?? a)?.type === 'directory' ? `${path}/` : path;
  const remarks = [remarkOf(change), text && TEXT_REMARKS[text.type]];
  const said =
    format.indent + line(NODE_LETTERS[change.type], nodeSize(a), nodeSize(b), shown, remarks);
  if (text?.type !== 'hunks') return said;
  const name = (folder: string) => [folder, displayBytes(change.path)].filter(Boolean).join('/');
  const { folders } = format;
  const hunks = format.forTerminal ? escapeControls(text.hunks) : text.hunks;
  return `${said}--- a/${name(folders.a)}\n+++ b/${name(folders.b)}\n${hunks}`;
}

/** A change between two closures as one line. */
export function closureChangeLine(change: ClosureChange): string {
  const [a, b] = sidesOf(change);
  const size = (pathInfo: PathInfo | undefined) =>
    pathInfo === undefined ? '' : formatBytes(pathInfo.claim.narSize);
  const path = (b ?? a)?.storePath.absolute ?? '';
  switch (change.type) {
    case 'added':
      return line('A', '', size(b), path, []);
    case 'removed':
      return line('D', size(a), '', path, []);
    case 'changed':
      return line(change.contentsDiffer ? 'M' : 'B', size(a), size(b), path, []);
    case 'replaced': {
      const paths = `${change.a.storePath.absolute} => ${path}`;
      return line('R', size(a), size(b), paths, [change.contentsDiffer ? '' : 'same contents']);
    }
  }
}

/** The last line about two closures. */
export function closureSummary({
  changes,
  sameCount,
  narSizeBytes: { a, b },
}: ClosureDiff): string {
  const same = `${counted(sameCount, 'path')} in both`;
  const sizes = `${formatBytes(a)} => ${formatBytes(b)}`;
  return `${counted(changes.length, 'difference')}, ${same}; closure ${sizes}\n`;
}

/** The two sides of a change, as far as they are there. */
export function sidesOf<T>({ a, b }: Partial<Sides<T>>): [T | undefined, T | undefined] {
  return [a, b];
}

function line(
  letter: string,
  before: string,
  after: string,
  path: string,
  remarks: readonly (string | undefined)[],
): string {
  const said = remarks.filter((remark) => remark !== undefined && remark !== '').join('; ');
  const tail = said === '' ? '' : `  (${said})`;
  return `${letter}  ${before.padStart(SIZE_WIDTH)}  ${after.padStart(SIZE_WIDTH)}  ${path}${tail}\n`;
}

function nodeSize(node: Node | undefined): string {
  if (node === undefined) return '';
  if (node.type === 'file') return formatBytes(node.size);
  return node.type === 'directory' ? 'dir' : node.type;
}

function remarkOf(change: NodeChange): string | undefined {
  switch (change.type) {
    case 'changed':
    case 'mode':
      if (change.a.executable === change.b.executable) return undefined;
      return change.b.executable ? 'now executable' : 'no longer executable';
    case 'target':
      return `${displayBytes(change.a.target)} => ${displayBytes(change.b.target)}`;
    default:
      return change.sameAs && `as in ${displayBytes(change.sameAs)}/`;
  }
}

const TEXT_REMARKS: Readonly<Record<TextDiff['type'], string>> = {
  hunks: '',
  binary: 'binary',
  large: 'too large for a text diff',
  different: 'too many lines differ for a text diff',
};

function escapeControls(text: string): string {
  const escaped = (c: string) =>
    Array.from(utf8(c), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  return text.replace(/(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}
