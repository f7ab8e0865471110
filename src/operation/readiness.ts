/** Whether a server is to be sent requests. */

/** What is looked at. */
export interface ReadinessCheck {
  readonly name: string;
  /** Resolves if all is well. @throws why it is not */
  check(): Promise<void>;
}

/** How it stands. */
export interface ReadinessReport {
  readonly isReady: boolean;
  /** For people: the checks by name, and how others stand that decide nothing. */
  readonly lines: readonly string[];
}

/** What a `Readiness` goes by. */
export interface ReadinessOptions {
  /** Each of them decides. */
  readonly checks: readonly ReadinessCheck[];
  /** Lines about what is told and decides nothing: who serves what is here does not need the rest. */
  readonly notes?: (() => readonly string[]) | undefined;
  /** Told of a check that fails. */
  readonly onFailure?: ((name: string, error: unknown) => void) | undefined;
}

/** Ready as long as all checks hold and nobody has said that it ends. */
export class Readiness {
  readonly #options: ReadinessOptions;
  readonly #draining = new AbortController();

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** Aborts when the server is about to end. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** From now on it is not ready. */
  drain(): void {
    this.#draining.abort();
  }

  async report(): Promise<ReadinessReport> {
    const { checks, notes, onFailure } = this.#options;
    const lines: string[] = [];
    let isReady = !this.#draining.signal.aborted;
    if (!isReady) lines.push('draining');
    for (const { name, check } of checks) {
      try {
        await check();
        lines.push(`${name}: ok`);
      } catch (error) {
        isReady = false;
        lines.push(`${name}: failed`);
        onFailure?.(name, error);
      }
    }
    return { isReady, lines: [...lines, ...(notes?.() ?? [])] };
  }
}
