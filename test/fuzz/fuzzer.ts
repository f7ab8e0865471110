/**
 * A coverage-guided fuzzer: inputs that run blocks of code which none ran before, or are refused in
 * another way, are kept and changed further.
 */
import { BlockCoverage } from './blockCoverage.ts';
import { drawnEdits, edited } from './edits.ts';
import { type FuzzTarget, judge } from './target.ts';

/** An input that should not do what it does. */
export interface Finding {
  readonly input: Uint8Array;
  readonly reason: string;
}

/** What came of fuzzing a target. */
export interface FuzzReport {
  readonly name: string;
  readonly runs: number;
  readonly seconds: number;
  /** Blocks of code that ran, counted anew by orders of magnitude of how often. */
  readonly blocks: number;
  /** Inputs that were kept, seeds included. */
  readonly corpus: number;
  /** In which ways inputs were taken or refused, and how often. */
  readonly words: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
}

/** For how long, and what chance it goes by. */
export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  /** After so many inputs it ends sooner. */
  readonly runs?: number | undefined;
}

/** After so many findings more are of no use. */
const MAX_FINDINGS = 5;
/** Inputs between two looks at what ran, which cost more than most inputs. */
const BATCH = 16;
/** Rounds of making a finding smaller. */
const MAX_SHRINK_RUNS = 2_000;

/** Fuzzes a target. */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzReport> {
  const random = chance(options.seed);
  const startedMs = performance.now();
  const endMs = startedMs + options.seconds * 1000;
  const corpus: Uint8Array[] = [...target.seeds];
  const words = new Map<string, number>();
  const findings = new Map<string, Finding>();
  using coverage = new BlockCoverage();
  let runs = 0;

  /** Runs one. @returns whether it was taken as none before */
  async function run(input: Uint8Array): Promise<boolean> {
    const { word, finding } = await judge(target, input);
    runs++;
    const isNew = !words.has(word);
    words.set(word, (words.get(word) ?? 0) + 1);
    if (finding === undefined) return isNew;
    const kind = kindOf(finding);
    if (!findings.has(kind)) findings.set(kind, await shrunk(target, { input, reason: finding }));
    return false; // what is made of it would find the same
  }

  for (const input of target.seeds) await run(input);
  coverage.news();
  const { runs: mostRuns = Number.POSITIVE_INFINITY } = options;
  while (performance.now() < endMs && runs < mostRuns && findings.size < MAX_FINDINGS) {
    const batch = Array.from({ length: BATCH }, () => changed(corpus, target, random));
    const promising = new Set<Uint8Array>();
    for (const input of batch) if (await run(input)) promising.add(input);
    const news = coverage.news();
    if (news.size > 0) await findRunners(target, batch, news, coverage, promising);
    corpus.push(...promising);
  }
  return {
    name: target.name,
    runs,
    seconds: (performance.now() - startedMs) / 1000,
    blocks: coverage.blocks,
    corpus: corpus.length,
    words,
    findings: [...findings.values()],
  };
}

/** Which of a batch ran the new blocks: each is run again by itself, until all are explained. */
async function findRunners(
  target: FuzzTarget,
  batch: readonly Uint8Array[],
  news: Set<string>,
  coverage: BlockCoverage,
  promising: Set<Uint8Array>,
): Promise<void> {
  for (const input of batch) {
    if (news.size === 0) return;
    if ((await judge(target, input)).finding !== undefined) continue;
    for (const block of coverage.ran()) if (news.delete(block)) promising.add(input);
  }
}

/** How often a seed is changed and not what was made of it: it is still the one that is whole. */
const SEED_SHARE = 0.3;

/** Of what was kept the last ones are the most promising. */
function changed(corpus: readonly Uint8Array[], target: FuzzTarget, random: () => number) {
  const { seeds, words } = target;
  const isSeed = random() < SEED_SHARE;
  const at = isSeed
    ? Math.floor(random() * seeds.length)
    : corpus.length - 1 - Math.floor(random() ** 2 * corpus.length);
  const input = corpus[at] ?? new Uint8Array(0);
  return edited(input, drawnEdits(random), { words, others: corpus });
}

/** Where it was thrown, or what it cost: two of a kind are one finding. */
function kindOf(reason: string): string {
  const [what = '', where = ''] = reason.split('\n');
  return `${what.replace(/[0-9]+/g, '#').slice(0, 60)}${where}`;
}

/** Takes pieces out as long as it stays the same finding. */
async function shrunk(target: FuzzTarget, found: Finding): Promise<Finding> {
  const kind = kindOf(found.reason);
  let smallest = found;
  let left = MAX_SHRINK_RUNS;
  for (let piece = (found.input.length + 1) >> 1; piece > 0; piece >>= 1) {
    for (let at = 0; at < smallest.input.length && left > 0; left--) {
      const { input } = smallest;
      const smaller = Buffer.concat([input.subarray(0, at), input.subarray(at + piece)]);
      const { finding } = await judge(target, smaller);
      if (finding !== undefined && kindOf(finding) === kind) {
        smallest = { input: smaller, reason: finding };
      } else at += piece;
    }
  }
  return smallest;
}

/** Numbers from 0 up to 1 (mulberry32), so that a run can be made again. */
export function chance(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
