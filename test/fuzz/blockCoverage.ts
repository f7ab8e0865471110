/**
 * Which blocks of `src` ran, by V8's own block coverage. It needs no instrumentation, so the code that is
 * fuzzed is the code that runs; asking for what ran since the last time takes a millisecond.
 */
import { type Profiler, Session } from 'node:inspector';

const SOURCES = new URL('../../src/', import.meta.url).href;

/** Remembers all blocks that ever ran. */
export class BlockCoverage implements Disposable {
  readonly #session = new Session();
  /** Blocks, each with the order of magnitude of how often it ran. */
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** How many are known. */
  get blocks(): number {
    return this.#seen.size;
  }

  /** What ran since the last call and never before; now it is known. */
  news(): Set<string> {
    const news = this.ran();
    for (const block of news) {
      if (this.#seen.has(block)) news.delete(block);
      else this.#seen.add(block);
    }
    return news;
  }

  /** What ran since the last call. */
  ran(): Set<string> {
    const ran = new Set<string>();
    for (const { scriptId, url, functions } of this.#take()) {
      if (!url.startsWith(SOURCES)) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count === 0) continue;
          const magnitude = Math.floor(Math.log2(count) / 2);
          ran.add(`${scriptId}:${startOffset}:${endOffset}:${magnitude}`);
        }
      }
    }
    return ran;
  }

  #take(): readonly Profiler.ScriptCoverage[] {
    let result: readonly Profiler.ScriptCoverage[] = [];
    // the session is of this thread: it answers before it returns
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      result = answer.result;
    });
    return result;
  }

  #post(method: 'Profiler.enable' | 'Profiler.stopPreciseCoverage'): void {
    this.#session.post(method);
  }

  [Symbol.dispose](): void {
    this.#post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }
}
