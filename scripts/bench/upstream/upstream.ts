/** Upstreams to mirror from: binary caches on loopback, each served by a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { SyntheticSpec } from '../data/syntheticCache.ts';

/** What is served, and how; plain data. */
export interface Served {
  /** A binary cache in a directory, or … */
  readonly directory?: string;
  /** … one that is made while it is asked for. */
  readonly synthetic?: SyntheticSpec;
  /** How long each answer is held back. */
  readonly delayMs: number;
  /** The same for narinfos, where it is different. */
  readonly narinfoDelayMs?: number;
}

/** What was asked since the last report. */
export interface UpstreamReport {
  readonly narinfos: number;
  readonly nars: number;
  /** From the first request of a narinfo to the answer to the last. */
  readonly discoveryMs: number;
  /** Of the process since its begin. */
  readonly cpuSeconds: number;
}

/** A running upstream; disposing of it ends its process. */
export class Upstream implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  static async start(served: Served): Promise<Upstream> {
    const child = fork(join(import.meta.dirname, 'serverProcess.ts'), [JSON.stringify(served)]);
    const [url] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error('the upstream has ended'))),
    ]);
    return new Upstream(String(url), child);
  }

  /** What was asked since the last call. */
  async report(): Promise<UpstreamReport> {
    const answer = once(this.#child, 'message');
    this.#child.send('report');
    const [report] = await answer;
    return report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
  }
}
