/** NARs: what is taken is written as the same bytes, and pieces do not show. */
import { utf8 } from '../../../src/bytes.ts';
import { DEFAULT_LIMITS } from '../../../src/limits.ts';
import { type NarHandler, NarParser } from '../../../src/nar/parser.ts';
import { encodeStrings } from '../../../src/nar/wire.ts';
import { NarWriter } from '../../../src/nar/writer.ts';
import { traceNar } from '../../nar/trace.ts';
import { agree, Disagreement, pureTarget } from '../target.ts';

const FILE = ['(', 'type', 'regular', 'contents', 'some contents', ')'];
const PROGRAM = ['(', 'type', 'regular', 'executable', '', 'contents', '', ')'];
const LINK = ['(', 'type', 'symlink', 'target', '../elsewhere', ')'];
const entry = (name: string, node: readonly string[]) => [
  'entry',
  '(',
  'name',
  name,
  'node',
  ...node,
  ')',
];
const folder = (...entries: readonly (readonly string[])[]) => [
  '(',
  'type',
  'directory',
  ...entries.flat(),
  ')',
];
const nar = (node: readonly string[]) => encodeStrings('nix-archive-1', ...node);

const SEEDS = [
  FILE,
  PROGRAM,
  LINK,
  folder(),
  folder(entry('a', LINK), entry('b', LINK)),
  folder(entry('a', FILE), entry('b', folder(entry(')', LINK), entry('c', PROGRAM)))),
  folder(entry('a', folder(entry('a', folder(entry('a', folder()))))), entry('b', FILE)),
].map(nar);

const WORDS = [
  '(',
  ')',
  'type',
  'regular',
  'executable',
  'contents',
  'symlink',
  'target',
  'directory',
  'entry',
  'name',
  'node',
  '',
  'nix-archive-1',
  'a',
  '..',
  '.',
  'a/b',
  'a\0b',
];

/** Small ones, so that they are met. */
const LIMITS = {
  ...DEFAULT_LIMITS,
  narBytes: 8192,
  narDepth: 8,
  narEntries: 40,
  directoryEntries: 10,
};

/** What a name must be, said once more and apart from the parser. */
function checkName(name: Buffer, open: (Buffer | undefined)[]): void {
  if (open.length === 0) return; // the root
  const previous = open.at(-1);
  const text = name.toString('latin1');
  const isName = /^[^/\0]{1,255}$/s.test(text) && text !== '.' && text !== '..';
  if (!isName) throw new Disagreement(`takes the name ${JSON.stringify(text)}`);
  if (previous !== undefined && Buffer.compare(previous, name) >= 0) {
    throw new Disagreement(`takes ${JSON.stringify(text)} after what is not before it`);
  }
  open[open.length - 1] = name;
}

/** Writes what it is told, and checks it. */
function rewriter(): { handler: NarHandler; bytes: () => Uint8Array } {
  const writer = new NarWriter();
  const parts: Uint8Array[] = [];
  /** The last name in each open directory. */
  const open: (Buffer | undefined)[] = [];
  return {
    handler: {
      startDirectory(name) {
        checkName(Buffer.from(name), open);
        open.push(undefined);
        parts.push(writer.startDirectory(name));
      },
      endDirectory() {
        open.pop();
        parts.push(writer.endDirectory());
      },
      startFile(name, sizeBytes, executable) {
        checkName(Buffer.from(name), open);
        parts.push(writer.startFile(name, sizeBytes, executable));
      },
      fileData: (bytes) => parts.push(bytes.slice()),
      endFile: () => parts.push(writer.endFile()),
      symlink(name, target) {
        checkName(Buffer.from(name), open);
        parts.push(writer.symlink(name, target));
      },
    },
    bytes() {
      writer.end();
      return Buffer.concat(parts);
    },
  };
}

export const narTarget = () =>
  pureTarget({
    name: 'nar',
    seeds: SEEDS,
    words: [...WORDS.map((word) => encodeStrings(word)), utf8('\xff')],
    run(input) {
      const whole = traceNar(input, input.length, { limits: LIMITS });
      for (const chunkBytes of input.length < 500 ? [1, 61] : [13]) {
        const inPieces = traceNar(input, chunkBytes, { limits: LIMITS });
        agree('in pieces', whole.lines.join('\n'), inPieces.lines.join('\n'));
        agree('the error in pieces', String(whole.error), String(inPieces.error));
        agree('its offset', whole.error?.facts['offset'], inPieces.error?.facts['offset']);
      }
      if (whole.error !== undefined) throw whole.error;
      const { handler, bytes } = rewriter();
      const parser = new NarParser(handler, { limits: LIMITS });
      parser.push(input);
      parser.end();
      agree('written again', input, bytes());
      return 'taken';
    },
  });
