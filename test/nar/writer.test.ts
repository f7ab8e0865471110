import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, EMPTY, utf8 } from '../../src/bytes.ts';
import {
  directoryHeadBytes,
  directoryOverheadBytes,
  directoryTailBytes,
  fileFramingBytes,
  fileHeadBytes,
  fileTailBytes,
  NarWriter,
  symlinkFramingBytes,
} from '../../src/nar/writer.ts';
import { encodeNar, type SyntheticTree } from '../support/syntheticTree.ts';
import { anyTree } from './arbitraryTree.ts';

/** Writes a tree step by step; contents go between the steps. */
function* write(writer: NarWriter, name: Uint8Array, tree: SyntheticTree): Generator<Uint8Array> {
  if (tree.type === 'symlink') yield writer.symlink(name, tree.target);
  else if (tree.type === 'regular') {
    yield writer.startFile(name, tree.contents.length, tree.executable);
    yield tree.contents;
    yield writer.endFile();
  } else {
    yield writer.startDirectory(name);
    for (const [entryName, entry] of tree.entries) yield* write(writer, entryName, entry);
    yield writer.endDirectory();
  }
}

/** The size of a tree's NAR, by arithmetic alone. */
function narBytes(nameLength: number, tree: SyntheticTree): number {
  if (tree.type === 'symlink') return symlinkFramingBytes(nameLength, tree.target.length);
  if (tree.type === 'regular') {
    const size = tree.contents.length;
    return fileFramingBytes(nameLength, size, tree.executable) + size;
  }
  return tree.entries.reduce(
    (sum, [name, entry]) => sum + narBytes(name.length, entry),
    directoryOverheadBytes(nameLength),
  );
}

describe('NarWriter', () => {
  it('writes what an independent encoder writes', () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        const writer = new NarWriter();
        const parts = [...write(writer, EMPTY, tree)];
        writer.end();
        expect(Buffer.concat(parts)).toEqual(Buffer.from(encodeNar(tree)));
      }),
      { numRuns: 300 },
    );
  });

  it('returns byte strings of their own', () => {
    const once = () => {
      const writer = new NarWriter();
      return [
        writer.startDirectory(EMPTY),
        writer.startFile(utf8('a'), 0, false),
        writer.endFile(),
        writer.endDirectory(),
      ];
    };
    const first = once();
    const expected = concatBytes(first);
    for (const part of first) part.fill(0xaa);
    expect(concatBytes(once())).toEqual(expected);
  });

  const name = utf8('a');
  const inDirectory = () => {
    const writer = new NarWriter();
    writer.startDirectory(EMPTY);
    return writer;
  };
  const inFile = () => {
    const writer = inDirectory();
    writer.startFile(name, 3, false);
    return writer;
  };
  const afterEntry = () => {
    const writer = inDirectory();
    writer.symlink(name, utf8('t'));
    return writer;
  };
  const finished = () => {
    const writer = inDirectory();
    writer.endDirectory();
    return writer;
  };
  const target = utf8('t');

  // biome-ignore format: a row a line
  it.each<readonly [string, () => NarWriter, (writer: NarWriter) => unknown, string]>([
    ['a root with a name', () => new NarWriter(), (w) => w.startDirectory(name), '/'],
    ['an entry without a name', inDirectory, (w) => w.startDirectory(EMPTY), '/'],
    ['the name .', inDirectory, (w) => w.symlink(utf8('.'), target), '/'],
    ['the name ..', inDirectory, (w) => w.symlink(utf8('..'), target), '/'],
    ['a slash in a name', inDirectory, (w) => w.startFile(utf8('a/b'), 0, false), '/'],
    ['a NUL in a name', inDirectory, (w) => w.startFile(utf8('a\0'), 0, false), '/'],
    ['a name of 256 bytes', inDirectory, (w) => w.startDirectory(new Uint8Array(256).fill(97)), '/'],
    ['a name twice', afterEntry, (w) => w.startDirectory(name), '/'],
    ['a name out of order', afterEntry, (w) => w.startDirectory(utf8('Z')), '/'],
    ['an empty target', inDirectory, (w) => w.symlink(name, EMPTY), '/'],
    ['a target of 4096 bytes', inDirectory, (w) => w.symlink(name, new Uint8Array(4096).fill(97)), '/'],
    ['a NUL in a target', inDirectory, (w) => w.symlink(name, Uint8Array.of(0)), '/'],
    ['a negative size', inDirectory, (w) => w.startFile(name, -1, false), '/'],
    ['a size of 2^53', inDirectory, (w) => w.startFile(name, 2 ** 53, false), '/'],
    ['half a byte', inDirectory, (w) => w.startFile(name, 0.5, false), '/'],
    ['a file in a file', inFile, (w) => w.startFile(utf8('b'), 0, false), '/a'],
    ['a directory that ends in a file', inFile, (w) => w.endDirectory(), '/a'],
    ['a NAR that ends in a file', inFile, (w) => w.end(), '/a'],
    ['a NAR that ends in a directory', inDirectory, (w) => w.end(), '/'],
    ['an empty NAR', () => new NarWriter(), (w) => w.end(), '/'],
    ['a file that ends outside of one', inDirectory, (w) => w.endFile(), '/'],
    ['a directory that ends outside of one', finished, (w) => w.endDirectory(), '/'],
    ['a second root', finished, (w) => w.startDirectory(EMPTY), '/'],
  ])('refuses %s', (_name, prepare, step, path) => {
    const writer = prepare();
    expect(() => step(writer)).toThrow(
      expect.objectContaining({ code: 'NAR_INVALID', facts: expect.objectContaining({ path }) }),
    );
  });

  it('goes on after a step that was refused, as if it had not been', () => {
    const writer = inDirectory();
    expect(() => writer.symlink(utf8('z'), EMPTY)).toThrow();
    expect(() => writer.startFile(utf8('z'), -1, false)).toThrow();
    expect(() => writer.symlink(name, target)).not.toThrow();
    writer.endDirectory();
    writer.end();
  });
});

describe('lengths without bytes', () => {
  it('add up to the size of the NAR', () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        expect(narBytes(0, tree)).toBe(encodeNar(tree).length);
      }),
      { numRuns: 300 },
    );
  });

  it('are the lengths of what the writer returns', () => {
    for (const length of [1, 7, 8, 9, 255]) {
      const name = new Uint8Array(length).fill(97);
      const writer = new NarWriter();
      expect(writer.startDirectory(EMPTY).length).toBe(directoryHeadBytes(0));
      expect(writer.startDirectory(name).length).toBe(directoryHeadBytes(length));
      expect(writer.startFile(name, length, true).length).toBe(fileHeadBytes(length, true));
      expect(writer.endFile().length).toBe(fileTailBytes(length, length));
      expect(writer.endDirectory().length).toBe(directoryTailBytes(length));
      expect(writer.endDirectory().length).toBe(directoryTailBytes(0));
    }
  });

  it.each([
    [2 ** 53 - 1, 1],
    [2 ** 53 - 8, 0],
    [2 ** 32 + 1, 7],
    [2 ** 31 + 3, 5],
  ])('know the padding of %d bytes: %d', (sizeBytes, padding) => {
    expect(fileTailBytes(1, sizeBytes)).toBe(padding + fileTailBytes(1, 0));
    const writer = new NarWriter();
    const head = Buffer.from(writer.startFile(EMPTY, sizeBytes, false));
    expect(head.readBigUInt64LE(head.length - 8)).toBe(BigInt(sizeBytes));
  });
});
