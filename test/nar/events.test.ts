import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, EMPTY, utf8 } from '../../src/bytes.ts';
import { type NarEvent, readNar, writeNar } from '../../src/nar/events.ts';
import { directoryHeadBytes } from '../../src/nar/writer.ts';
import { directory, encodeNar, file, narString, symlink } from '../support/syntheticTree.ts';
import { anyTree } from './arbitraryTree.ts';

const NAR = encodeNar(directory({ a: file('first'), b: symlink('a'), c: directory() }));

/** A source that tells whether it was told to stop. */
function source(bytes: Uint8Array, chunkBytes: number) {
  const state = { returned: false, pulled: 0 };
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        state.pulled += 1;
        yield bytes.subarray(at, at + chunkBytes);
      }
    } finally {
      state.returned = true;
    }
  }
  return { chunks: chunks(), state };
}

const rewrite = async (bytes: Uint8Array, chunkBytes: number) =>
  concatBytes(await Array.fromAsync(writeNar(readNar(source(bytes, chunkBytes).chunks))));

describe('readNar', () => {
  it('yields events in order', async () => {
    const events = await Array.fromAsync(readNar(source(NAR, NAR.length).chunks));
    expect(events).toEqual([
      { type: 'directory', name: EMPTY },
      { type: 'file', name: utf8('a'), sizeBytes: 5, executable: false },
      { type: 'data', bytes: utf8('first') },
      { type: 'fileEnd' },
      { type: 'symlink', name: utf8('b'), target: utf8('a') },
      { type: 'directory', name: utf8('c') },
      { type: 'directoryEnd' },
      { type: 'directoryEnd' },
    ]);
  });

  it('pulls no chunk before it is needed', async () => {
    const { chunks, state } = source(NAR, 8);
    const events = readNar(chunks);
    expect(state.pulled).toBe(0);
    expect((await events.next()).value).toMatchObject({ type: 'directory' });
    expect(state.pulled).toBe(directoryHeadBytes(0) / 8);
    await events.return();
  });

  it('stops the source when its consumer stops', async () => {
    const { chunks, state } = source(NAR, 16);
    for await (const event of readNar(chunks)) if (event.type === 'file') break;
    expect(state.returned).toBe(true);
    expect(state.pulled).toBeLessThan(NAR.length / 16);
  });

  it('yields what comes before a fault, then throws and stops the source', async () => {
    const toFirstEntry = NAR.subarray(0, directoryHeadBytes(0));
    const faulty = concatBytes([toFirstEntry, narString('x'), NAR]);
    const { chunks, state } = source(faulty, faulty.length - NAR.length);
    const events: NarEvent[] = [];
    await expect(async () => {
      for await (const event of readNar(chunks)) events.push(event);
    }).rejects.toMatchObject({ code: 'NAR_INVALID', facts: { actual: '"x"' } });
    expect(events).toEqual([{ type: 'directory', name: EMPTY }]);
    expect(state).toEqual({ returned: true, pulled: 1 });
  });

  it('throws for a NAR that is cut off', async () => {
    const reading = Array.fromAsync(readNar(source(NAR.subarray(0, 100), 7).chunks));
    await expect(reading).rejects.toMatchObject({ code: 'NAR_INVALID' });
  });

  it('passes on what the source throws', async () => {
    const failure = new Error('connection reset');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield NAR.subarray(0, 90);
      throw failure;
    }
    await expect(Array.fromAsync(readNar(failing()))).rejects.toBe(failure);
  });

  it('does not begin when aborted', async () => {
    const { chunks, state } = source(NAR, 16);
    const reason = new Error('no longer wanted');
    const reading = Array.fromAsync(readNar(chunks, { signal: AbortSignal.abort(reason) }));
    await expect(reading).rejects.toBe(reason);
    expect(state.pulled).toBe(0);
  });

  it('stops between two events of one chunk when aborted, and stops the source', async () => {
    const { chunks, state } = source(NAR, NAR.length);
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    const events: NarEvent[] = [];
    await expect(async () => {
      for await (const event of readNar(chunks, { signal: controller.signal })) {
        events.push(event);
        controller.abort(reason);
      }
    }).rejects.toBe(reason);
    expect(events.length).toBe(1);
    expect(state.returned).toBe(true);
  });

  it('heeds limits and the declared size', async () => {
    const reading = Array.fromAsync(readNar(source(NAR, 64).chunks, { narSizeBytes: 8 }));
    await expect(reading).rejects.toMatchObject({ code: 'NAR_SIZE_MISMATCH' });
  });
});

describe('writeNar', () => {
  it('is the inverse of readNar for random trees, whatever the chunks', async () => {
    await fc.assert(
      fc.asyncProperty(anyTree, fc.integer({ min: 1, max: 100 }), async (tree, chunkBytes) => {
        const nar = encodeNar(tree); // by an encoder that shares nothing with the writer
        expect(Buffer.from(await rewrite(nar, chunkBytes))).toEqual(Buffer.from(nar));
      }),
      { numRuns: 300 },
    );
  });

  const start: NarEvent = { type: 'file', name: EMPTY, sizeBytes: 3, executable: false };
  const data = (text: string): NarEvent => ({ type: 'data', bytes: utf8(text) });
  const end: NarEvent = { type: 'fileEnd' };
  it.each<readonly [string, readonly NarEvent[]]>([
    ['too few contents', [start, data('ab'), end]],
    ['too many contents', [start, data('ab'), data('cd'), end]],
    ['contents outside of a file', [{ type: 'directory', name: EMPTY }, data('ab')]],
    ['a file that does not end', [start, data('abc')]],
    ['a directory that does not end', [{ type: 'directory', name: EMPTY }]],
    ['nothing', []],
    ['two roots', [start, data('abc'), end, start]],
  ])('refuses %s', async (_name, events) => {
    await expect(Array.fromAsync(writeNar(events))).rejects.toMatchObject({ code: 'NAR_INVALID' });
  });
});
