/** Memory of a running process that is its own: without mapped files, such as the pages of an index. */
import { readFile } from 'node:fs/promises';

/** How often it is looked, in milliseconds: growth by the megabyte takes longer. */
const LOOK_EVERY_MS = 20;
const KIB = 1024;

/** Watches the child of a process from now on, as Linux tells it. */
export class AnonymousMemory implements Disposable {
  #peakBytes = 0;
  readonly #timer: NodeJS.Timeout;

  /** @param parent process id of GNU time */
  constructor(parent: number) {
    this.#timer = setInterval(() => void this.#look(parent), LOOK_EVERY_MS);
  }

  /** The most that was seen. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #look(parent: number): Promise<void> {
    try {
      const children = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8');
      const status = await readFile(`/proc/${children.trim()}/status`, 'utf8');
      const kib = Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
      this.#peakBytes = Math.max(this.#peakBytes, kib * KIB);
    } catch {
      // it has not begun or has ended: there is nothing to see
    }
  }
}
