/**
 * A large walk over fake steps, in a process of its own so that its peak memory is its own:
 *
 *     node test/ingest/largeWalk.ts SHAPE
 *
 * Prints what came of it as JSON.
 */
import { Digest } from '../../src/castore/digest.ts';
import { FileNode } from '../../src/castore/node.ts';
import { Hash } from '../../src/hash.ts';
import { ClosureWalk, type WalkResult } from '../../src/ingest/closureWalk.ts';
import { StorePath } from '../../src/storePath.ts';

/** Numbers instead of names: paths `0` up to `count`, exclusive. */
interface Shape {
  readonly count: number;
  readonly references: (index: number) => readonly number[];
  /** Default: path 0. */
  readonly roots?: readonly number[];
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);

const SHAPES: Readonly<Record<string, Shape>> = {
  'chain 100,000': { count: 100_000, references: (i) => (i < 99_999 ? [i + 1] : []) },
  'chain 100,000 whose end is absent': { count: 100_000, references: (i) => [i + 1] },
  'cycle 100,000': { count: 100_000, references: (i) => [(i + 1) % 100_000] },
  'diamond 10,000': {
    count: 10_002,
    references: (i) => (i === 0 ? range(1, 10_001) : i === 10_001 ? [] : [10_001]),
  },
  'cycles of two, 50,000 of them': {
    count: 100_000,
    references: (i) => [i ^ 1],
    roots: range(0, 100_000).filter((i) => i % 2 === 0),
  },
  'referrers of one path, 200,000 of them': {
    count: 200_001,
    references: (i) => (i === 200_000 ? [] : [200_000]),
    roots: range(0, 200_000),
  },
};

/** What {@link largeWalk} prints. */
export interface LargeWalkReport {
  /** How many roots ended in which way. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly kept: number;
  readonly seconds: number;
  readonly peakMiB: number;
}

const DIGEST_BYTES = 20;
const NODE = new FileNode(Digest.of(new Uint8Array(1)), 1, false);

function pathOf(index: number): StorePath {
  const digest = Buffer.alloc(DIGEST_BYTES);
  digest.writeUInt32BE(index);
  return StorePath.of(digest, `path-${index}`);
}

function outcomeOf(result: WalkResult): string {
  if (result.outcome !== 'failed') return result.outcome;
  const { error } = result;
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

async function largeWalk({ count, references, roots = [0] }: Shape): Promise<LargeWalkReport> {
  const startedMs = performance.now();
  let kept = 0;
  const walk = new ClosureWalk(
    {
      findPresent: async () => undefined,
      async findNarInfo({ digest }) {
        const index = Buffer.from(digest).readUInt32BE();
        if (index >= count) return undefined;
        return {
          origin: 'fake:',
          verification: { by: 'nobody' },
          narInfo: {
            storePath: pathOf(index),
            url: `nar/${index}.nar`,
            compression: 'none',
            fileHash: undefined,
            fileSize: undefined,
            narHash: Hash.of('sha256', Buffer.alloc(32, index)),
            narSize: 1,
            references: references(index).map(pathOf),
            deriver: undefined,
            system: undefined,
            signatures: [],
            ca: undefined,
          },
        };
      },
      ingestContent: async () => NODE,
      async putAll(pathInfos) {
        kept += pathInfos.length;
        return pathInfos;
      },
    },
    { limits: { narinfosInFlight: 128, narsInFlight: 8 }, onEvent: () => {} },
  );
  const outcomes: Record<string, number> = {};
  for (const result of await walk.run(roots.map(pathOf))) {
    const outcome = outcomeOf(result);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  return {
    outcomes,
    kept,
    seconds: Math.round(performance.now() - startedMs) / 1000,
    peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

const shape = SHAPES[process.argv[2] ?? ''];
if (shape === undefined) throw new Error(`no such shape: ${process.argv[2]}`);
process.stdout.write(`${JSON.stringify(await largeWalk(shape))}\n`);
